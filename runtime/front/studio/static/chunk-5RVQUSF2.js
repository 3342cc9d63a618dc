import{a as q,c as V}from"./chunk-6R6OGPVO.js";import{a as b,b as S,c as H,d as D,f as N,g as B,l as A,o as z,p as _,q as G,r as K,t as U,v as J,w as Q}from"./chunk-22LJP6YK.js";import{$ as O,T as C,U as L,e as p,f as w,g as F,h,ha as v,i as P,o as n,s as m,u as y,v as M,y as R}from"./chunk-L2AHVFBO.js";var j=null;async function f(t,...o){j??=m("/accounts/projects").then(({projects:e})=>e[0].id);try{return["/accounts/projects",R(await j),t,...o.map(R)].join("/")}catch(e){throw j=null,e}}var I={"Bulkhead-Manifest":"whole"},E=(t,...o)=>t?f("rooms",t,"services",...o):f("services",...o),Z=async t=>m(await E(t.room,t.id),{headers:I}),lt=async(t,o)=>y(await E(t),o,{headers:I}),tt=async(t,o)=>M(await E(t.room,t.id),o,{headers:I});async function ct(t){let{services:o}=await m(await f("service-states"));for(let e of o.filter(({name:a})=>t.includes(a)))await tt(e,await Z(e))}function pt({title:t,action:o,busyText:e="Saving…",onSend:a,onClose:s,disabled:l=!1,wide:c=!1,children:d}){let[r,u]=p(!1),[$,i]=p(null),g=h(null);w(()=>g.current.querySelector("input, select, textarea")?.focus(),[]);let x=async k=>{if(k.preventDefault(),!(r||l)){u(!0),i(null);try{await a()}catch(Y){i(Y),u(!1)}}};return n`<${G}
    title=${t}
    wide=${c}
    onClose=${s}
    footer=${n`<button type="button" class="button" onClick=${s}>Cancel</button><button type="submit" form="form-dialog" class="button primary" disabled=${r||l}>${r?e:o}</button>`}
  >
    <form id="form-dialog" class="form" ref=${g} onSubmit=${x} novalidate autocomplete="off">
      ${d}
      ${$&&n`<p class="form-error" role="alert">${$.title??"It failed"}${$.detail?`: ${$.detail}`:$.title?"":`: ${$.message}`}</p>`}
    </form>
  <//>`}var ft=({name:t,label:o,hint:e,error:a,children:s})=>n`<div class="field">
  <label for=${t}>${o}</label>${s}
  ${a?n`<p class="error" id=${`${t}-hint`} role="alert">${a}</p>`:e&&n`<p class="hint" id=${`${t}-hint`}>${e}</p>`}
</div>`;function T(t){let o=[...t.events??[]].reverse().find(e=>e.type==="Warning");return t.state==="scheduled"?{tone:"bad",word:"restarting",sentence:t.last_start_error||o?.message||""}:t.state==="starting"?{tone:"busy",word:"starting",sentence:""}:t.state==="failed"?{tone:"bad",word:"failed",sentence:t.last_start_error||o?.message||""}:t.state!=="running"?{tone:"idle",word:t.state,sentence:""}:t.last_start_error_at>(t.started_at??0)?{tone:"warn",word:"running",sentence:`The newest revision did not get live: ${t.last_start_error}. The one before goes on.`}:(t.status?.ports??[]).some(e=>e.liveness_status==="not_ready")?{tone:"warn",word:"not answering",sentence:""}:{tone:"ok",word:"running",sentence:""}}var X=["bad","warn","busy","ok","idle"];function gt(t){if(!t.is_enabled)return{tone:"idle",word:"disabled",sentence:""};let o=Object.values(t.states).map(T);if(!o.length)return{tone:"idle",word:"waiting",sentence:t.room?"It starts when somebody enters its room.":"It starts in every room that somebody enters."};let e=o.sort((s,l)=>X.indexOf(s.tone)-X.indexOf(l.tone))[0],a=o.filter(s=>s.word===e.word).length;return o.length>1?{...e,word:a===o.length?`${e.word} in ${a} rooms`:`${e.word} in ${a} of ${o.length} rooms`}:e}async function et(t,o){let e=`Its containers in ${o} end, then it starts by its newest revision. Who talks to it there has to begin again.`;await K({title:`Restart ${t.name} in ${o}?`,text:e,action:"Restart"})&&await f("rooms",o,"services",t.id,"restart").then(a=>y(a)).then(()=>J({text:`${t.name} starts anew in ${o}.`,tone:"ok"}),Q)}function jt({service:t,room:o,state:e}){let{tone:a,word:s,sentence:l}=T(e),c=e.status?.ports??[],d=n`<span class="hook-title"><a href=${`${A("/rooms",o)}?tab=services`}>${o}</a> <${v} tone=${a}>${s}<//></span>`;return n`<${N} title=${d} class="going" actions=${t.image&&n`<button type="button" class="button small" aria-label=${`Restart in ${o}`} onClick=${()=>et(t,o)}><${b} name="reload" size=${14} />Restart…</button>`}>
    ${l&&n`<p class=${`going-said ${a==="bad"?"bad-text":""}`}>${l}</p>`}
    <${B}
      rows=${[["Started",e.started_at?n`<${_} at=${e.started_at} />`:null],["Restarts",e.restart_count],["Starts again",e.state==="scheduled"&&e.restart_scheduled_at?O(e.restart_scheduled_at):null],["Last end",e.last_exit_at?n`with ${e.last_exit_code}, <${_} at=${e.last_exit_at} />`:null],["Container",e.container_id?n`<code>${e.container_id}</code>`:null],...c.map(r=>[`Port ${r.num}`,r.liveness_status==="not_configured"?"open":n`<${v} tone=${r.liveness_status==="ready"?"ok":"warn"}>${r.liveness_status==="ready"?"answers":"does not answer"}<//> <span class="mono muted">${r.liveness}</span>${r.last_error&&n` <span class="bad-text">${r.last_error}</span>`}`])]}
    />
    ${e.events.length>0&&n`<ol class="happened" aria-label=${`Events in ${o}, newest first`}>
      ${[...e.events].reverse().map(r=>n`<li key=${`${r.reason} ${r.message}`} class="happening">
          <span class="muted" title=${O(r.last_timestamp)}><${_} at=${r.last_timestamp} /></span>
          <${v} tone=${r.type==="Warning"?"warn":"idle"}>${r.reason}${r.count>1?` ×${r.count}`:""}<//>
          <span class="happening-text">${r.message}</span>
        </li>`)}
    </ol>`}
  <//>`}var ot=1.5,W=1e3;function Mt({service:t,rooms:o}){let[e,a]=p(o[0]),[s,l]=p(!1),c=o.includes(e)?e:o[0],d=async({signal:i})=>m(`${await f("rooms",c,"services",t.id,"logs")}?previous=${s}`,{signal:i}),{data:r,error:u,reload:$}=q(d,[c,s],{every_s:s?0:ot});return c?n`<div class="session-pane">
    <div class="toolbar">
      ${o.length>1&&n`<select class="select" aria-label="Room" value=${c} onChange=${i=>a(i.currentTarget.value)}>${o.map(i=>n`<option key=${i} value=${i}>${i}</option>`)}</select>`}
      <button type="button" class="button" aria-pressed=${String(!s)} onClick=${()=>l(!1)}>Running</button>
      <button type="button" class="button" aria-pressed=${String(s)} onClick=${()=>l(!0)}>Before</button>
    </div>
    ${u&&!r&&n`<${D} error=${u} retry=${$} />`}
    ${!r&&!u&&n`<${H} rows=${5} label="Loading the log" />`}
    ${r&&n`<${rt} lines=${r.lines} none=${s?"No container of it has ended":"It wrote nothing"} />`}
  </div>`:n`<${S} icon="file" title="It runs nowhere"><p>Logs are kept as long as the room is open.</p><//>`}function rt({lines:t,none:o="Nothing was written"}){let[e,a]=p(""),[s,l]=p(!0),c=h(null),d=h(0),r=P(()=>e?t.filter(i=>i.toLowerCase().includes(e.toLowerCase())):t,[t,e]),u=r.slice(-W);F(()=>{!s||!c.current||(c.current.scrollTop=c.current.scrollHeight,d.current=c.current.scrollTop)},[u.length,u.at(-1),s]),w(()=>l(!0),[e]);let $=()=>{let{scrollTop:i,scrollHeight:g,clientHeight:x}=c.current,k=i<d.current-4;d.current=i,g-i-x<24?l(!0):k&&l(!1)};return t.length?n`<div class="toolbar">
      <${U} value=${e} onInput=${a} placeholder="Search the log" />
      <span class="muted">${e?`${C(r.length)} of ${L(t.length,"line")}`:L(t.length,"line")}</span>
      <${z} text=${()=>r.join(`
`)} title="Copy the lines" />
    </div>
    <div class="log-frame">
      <ol class="log plain-log" ref=${c} onScroll=${$} tabindex="0" aria-label="Log, newest last">
        ${r.length>W&&n`<li class="log-gap">${C(r.length-W)} earlier lines are not shown.</li>`}
        ${u.map((i,g)=>n`<li key=${g} class=${i.startsWith("--- container ")?"log-gap":"log-text"}>${V(i)}</li>`)}
      </ol>
      ${!s&&n`<button type="button" class="button log-end" onClick=${()=>l(!0)}><${b} name="down" />Newest</button>`}
    </div>`:n`<${S} icon="file" title=${o}><p>What its containers print shows up here as they write it.</p><//>`}export{f as a,E as b,Z as c,lt as d,tt as e,ct as f,pt as g,ft as h,T as i,gt as j,et as k,jt as l,Mt as m,rt as n};
