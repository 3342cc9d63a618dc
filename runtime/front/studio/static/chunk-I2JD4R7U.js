import{a as z,c as V}from"./chunk-ROQLCSZU.js";import{a as b,b as S,c as N,d as D,f as H,g as A,l as B,o as G,p as _,q as K,r as M,t as U,v as J,w as Q}from"./chunk-U56J5ZVY.js";import{S as R,T as L,_ as j,e as p,f as w,fa as v,g as F,h,i as P,o as r,s as m,u as y,v as q,x as C}from"./chunk-633KBN5D.js";var E=null;async function f(t,...o){E??=m("/accounts/projects").then(({projects:e})=>e[0].id);try{return["/accounts/projects",C(await E),t,...o.map(C)].join("/")}catch(e){throw E=null,e}}var I={Consistency:"fast"},O=(t,...o)=>t?f("rooms",t,"services",...o):f("services",...o),Z=async t=>m(await O(t.room,t.id),{headers:I}),lt=async(t,o)=>y(await O(t),o,{headers:I}),tt=async(t,o)=>q(await O(t.room,t.id),o,{headers:I});async function ct(t){let{services:o}=await m(await f("service-states"));for(let e of o.filter(({name:a})=>t.includes(a)))await tt(e,await Z(e))}function pt({title:t,action:o,busyText:e="Saving…",onSend:a,onClose:s,disabled:l=!1,wide:c=!1,children:d}){let[n,u]=p(!1),[$,i]=p(null),g=h(null);w(()=>g.current.querySelector("input, select, textarea")?.focus(),[]);let x=async k=>{if(k.preventDefault(),!(n||l)){u(!0),i(null);try{await a()}catch(Y){i(Y),u(!1)}}};return r`<${K}
    title=${t}
    wide=${c}
    onClose=${s}
    footer=${r`<button type="button" class="button" onClick=${s}>Cancel</button><button type="submit" form="form-dialog" class="button primary" disabled=${n||l}>${n?e:o}</button>`}
  >
    <form id="form-dialog" class="form" ref=${g} onSubmit=${x} novalidate autocomplete="off">
      ${d}
      ${$&&r`<p class="form-error" role="alert">${$.title??"It failed"}${$.detail?`: ${$.detail}`:$.title?"":`: ${$.message}`}</p>`}
    </form>
  <//>`}var ft=({name:t,label:o,hint:e,error:a,children:s})=>r`<div class="field">
  <label for=${t}>${o}</label>${s}
  ${a?r`<p class="error" id=${`${t}-hint`} role="alert">${a}</p>`:e&&r`<p class="hint" id=${`${t}-hint`}>${e}</p>`}
</div>`;function T(t){let o=[...t.events??[]].reverse().find(e=>e.type==="Warning");return t.state==="scheduled"?{tone:"bad",word:"restarting",sentence:t.last_start_error||o?.message||""}:t.state==="starting"?{tone:"busy",word:"starting",sentence:""}:t.state==="failed"?{tone:"bad",word:"failed",sentence:t.last_start_error||o?.message||""}:t.state!=="running"?{tone:"idle",word:t.state,sentence:""}:t.last_start_error_at>(t.started_at??0)?{tone:"warn",word:"running",sentence:`The newest revision did not get live: ${t.last_start_error}. The one before goes on.`}:(t.status?.ports??[]).some(e=>e.liveness_status==="not_ready")?{tone:"warn",word:"not answering",sentence:""}:{tone:"ok",word:"running",sentence:""}}var X=["bad","warn","busy","ok","idle"];function gt(t){if(!t.is_enabled)return{tone:"idle",word:"disabled",sentence:""};let o=Object.values(t.states).map(T);if(!o.length)return{tone:"idle",word:"waiting",sentence:t.room?"It starts when somebody enters its room.":"It starts in every room that somebody enters."};let e=o.sort((s,l)=>X.indexOf(s.tone)-X.indexOf(l.tone))[0],a=o.filter(s=>s.word===e.word).length;return o.length>1?{...e,word:a===o.length?`${e.word} in ${a} rooms`:`${e.word} in ${a} of ${o.length} rooms`}:e}async function et(t,o){let e=`Its containers in ${o} end, then it starts by its newest revision. Who talks to it there has to begin again.`;await M({title:`Restart ${t.name} in ${o}?`,text:e,action:"Restart"})&&await f("rooms",o,"services",t.id,"restart").then(a=>y(a)).then(()=>J({text:`${t.name} starts anew in ${o}.`,tone:"ok"}),Q)}function Et({service:t,room:o,state:e}){let{tone:a,word:s,sentence:l}=T(e),c=e.status?.ports??[],d=r`<span class="hook-title"><a href=${`${B("/rooms",o)}?tab=services`}>${o}</a> <${v} tone=${a}>${s}<//></span>`;return r`<${H} title=${d} class="going" actions=${t.image&&r`<button type="button" class="button small" aria-label=${`Restart in ${o}`} onClick=${()=>et(t,o)}><${b} name="reload" size=${14} />Restart…</button>`}>
    ${l&&r`<p class=${`going-said ${a==="bad"?"bad-text":""}`}>${l}</p>`}
    <${A}
      rows=${[["Started",e.started_at?r`<${_} at=${e.started_at} />`:null],["Restarts",e.restart_count],["Starts again",e.state==="scheduled"&&e.restart_scheduled_at?j(e.restart_scheduled_at):null],["Last end",e.last_exit_at?r`with ${e.last_exit_code}, <${_} at=${e.last_exit_at} />`:null],["Container",e.container_id?r`<code>${e.container_id}</code>`:null],...c.map(n=>[`Port ${n.num}`,n.liveness_status==="not_configured"?"open":r`<${v} tone=${n.liveness_status==="ready"?"ok":"warn"}>${n.liveness_status==="ready"?"answers":"does not answer"}<//> <span class="mono muted">${n.liveness}</span>${n.last_error&&r` <span class="bad-text">${n.last_error}</span>`}`])]}
    />
    ${e.events.length>0&&r`<ol class="happened" aria-label=${`Events in ${o}, newest first`}>
      ${[...e.events].reverse().map(n=>r`<li key=${`${n.reason} ${n.message}`} class="happening">
          <span class="muted" title=${j(n.last_timestamp)}><${_} at=${n.last_timestamp} /></span>
          <${v} tone=${n.type==="Warning"?"warn":"idle"}>${n.reason}${n.count>1?` ×${n.count}`:""}<//>
          <span class="happening-text">${n.message}</span>
        </li>`)}
    </ol>`}
  <//>`}var ot=1.5,W=1e3;function qt({service:t,rooms:o}){let[e,a]=p(o[0]),[s,l]=p(!1),c=o.includes(e)?e:o[0],d=async({signal:i})=>m(`${await f("rooms",c,"services",t.id,"logs")}?previous=${s}`,{signal:i}),{data:n,error:u,reload:$}=z(d,[c,s],{every_s:s?0:ot});return c?r`<div class="session-pane">
    <div class="toolbar">
      ${o.length>1&&r`<select class="select" aria-label="Room" value=${c} onChange=${i=>a(i.currentTarget.value)}>${o.map(i=>r`<option key=${i} value=${i}>${i}</option>`)}</select>`}
      <button type="button" class="button" aria-pressed=${String(!s)} onClick=${()=>l(!1)}>Running</button>
      <button type="button" class="button" aria-pressed=${String(s)} onClick=${()=>l(!0)}>Before</button>
    </div>
    ${u&&!n&&r`<${D} error=${u} retry=${$} />`}
    ${!n&&!u&&r`<${N} rows=${5} label="Loading the log" />`}
    ${n&&r`<${nt} lines=${n.lines} none=${s?"No container of it has ended":"It wrote nothing"} />`}
  </div>`:r`<${S} icon="file" title="It runs nowhere"><p>Logs are kept as long as the room is open.</p><//>`}function nt({lines:t,none:o="Nothing was written"}){let[e,a]=p(""),[s,l]=p(!0),c=h(null),d=h(0),n=P(()=>e?t.filter(i=>i.toLowerCase().includes(e.toLowerCase())):t,[t,e]),u=n.slice(-W);F(()=>{!s||!c.current||(c.current.scrollTop=c.current.scrollHeight,d.current=c.current.scrollTop)},[u.length,u.at(-1),s]),w(()=>l(!0),[e]);let $=()=>{let{scrollTop:i,scrollHeight:g,clientHeight:x}=c.current,k=i<d.current-4;d.current=i,g-i-x<24?l(!0):k&&l(!1)};return t.length?r`<div class="toolbar">
      <${U} value=${e} onInput=${a} placeholder="Search the log" />
      <span class="muted">${e?`${R(n.length)} of ${L(t.length,"line")}`:L(t.length,"line")}</span>
      <${G} text=${()=>n.join(`
`)} title="Copy the lines" />
    </div>
    <div class="log-frame">
      <ol class="log plain-log" ref=${c} onScroll=${$} tabindex="0" aria-label="Log, newest last">
        ${n.length>W&&r`<li class="log-gap">${R(n.length-W)} earlier lines are not shown.</li>`}
        ${u.map((i,g)=>r`<li key=${g} class=${i.startsWith("--- container ")?"log-gap":"log-text"}>${V(i)}</li>`)}
      </ol>
      ${!s&&r`<button type="button" class="button log-end" onClick=${()=>l(!0)}><${b} name="down" />Newest</button>`}
    </div>`:r`<${S} icon="file" title=${o}><p>What its containers print shows up here as they write it.</p><//>`}export{f as a,O as b,Z as c,lt as d,tt as e,ct as f,pt as g,ft as h,T as i,gt as j,et as k,Et as l,qt as m,nt as n};
