import{a as M,c as q}from"./chunk-Y4ZKINGX.js";import{a as f,b as v,c as P,d as H,f as F,g as N,l as A,o as z,p as w,r as D,t as G,v as K,w as U}from"./chunk-RDFNSVYL.js";import{$ as L,T as k,U as R,e as m,f as T,g as W,h as y,ha as h,i as E,o as r,s as $,u as g,v as B,y as x}from"./chunk-FYR5JOBS.js";var S=null;async function u(t,...n){S??=$("/accounts/projects").then(({projects:e})=>e[0].id);try{return["/accounts/projects",x(await S),t,...n.map(x)].join("/")}catch(e){throw S=null,e}}var C={"Bulkhead-Manifest":"whole"},O=(t,...n)=>t?u("rooms",t,"services",...n):u("services",...n),X=async t=>$(await O(t.room,t.id),{headers:C}),at=async(t,n)=>g(await O(t),n,{headers:C}),Y=async(t,n)=>B(await O(t.room,t.id),n,{headers:C});async function it(t){let{services:n}=await $(await u("service-states"));for(let e of n.filter(({name:i})=>t.includes(i)))await Y(e,await X(e))}function j(t){let n=[...t.events??[]].reverse().find(e=>e.type==="Warning");return t.state==="scheduled"?{tone:"bad",word:"restarting",sentence:t.last_start_error||n?.message||""}:t.state==="starting"?{tone:"busy",word:"starting",sentence:""}:t.state==="failed"?{tone:"bad",word:"failed",sentence:t.last_start_error||n?.message||""}:t.state!=="running"?{tone:"idle",word:t.state,sentence:""}:t.last_start_error_at>(t.started_at??0)?{tone:"warn",word:"running",sentence:`The newest revision did not get live: ${t.last_start_error}. The one before goes on.`}:(t.status?.ports??[]).some(e=>e.liveness_status==="not_ready")?{tone:"warn",word:"not answering",sentence:""}:{tone:"ok",word:"running",sentence:""}}var J=["bad","warn","busy","ok","idle"];function ct(t){if(!t.is_enabled)return{tone:"idle",word:"disabled",sentence:""};let n=Object.values(t.states).map(j);if(!n.length)return{tone:"idle",word:"waiting",sentence:t.room?"It starts when somebody enters its room.":"It starts in every room that somebody enters."};let e=n.sort((s,c)=>J.indexOf(s.tone)-J.indexOf(c.tone))[0],i=n.filter(s=>s.word===e.word).length;return n.length>1?{...e,word:i===n.length?`${e.word} in ${i} rooms`:`${e.word} in ${i} of ${n.length} rooms`}:e}async function Z(t,n){let e=`Its containers in ${n} end, then it starts by its newest revision. Who talks to it there has to begin again.`;await D({title:`Restart ${t.name} in ${n}?`,text:e,action:"Restart"})&&await u("rooms",n,"services",t.id,"restart").then(i=>g(i)).then(()=>K({text:`${t.name} starts anew in ${n}.`,tone:"ok"}),U)}function xt({service:t,room:n,state:e}){let{tone:i,word:s,sentence:c}=j(e),l=e.status?.ports??[],d=r`<span class="hook-title"><a href=${`${A("/rooms",n)}?tab=services`}>${n}</a> <${h} tone=${i}>${s}<//></span>`;return r`<${F} title=${d} class="going" actions=${t.image&&r`<button type="button" class="button small" aria-label=${`Restart in ${n}`} onClick=${()=>Z(t,n)}><${f} name="reload" size=${14} />Restart…</button>`}>
    ${c&&r`<p class=${`going-said ${i==="bad"?"bad-text":""}`}>${c}</p>`}
    <${N}
      rows=${[["Started",e.started_at?r`<${w} at=${e.started_at} />`:null],["Restarts",e.restart_count],["Starts again",e.state==="scheduled"&&e.restart_scheduled_at?L(e.restart_scheduled_at):null],["Last end",e.last_exit_at?r`with ${e.last_exit_code}, <${w} at=${e.last_exit_at} />`:null],["Container",e.container_id?r`<code>${e.container_id}</code>`:null],...l.map(o=>[`Port ${o.num}`,o.liveness_status==="not_configured"?"open":r`<${h} tone=${o.liveness_status==="ready"?"ok":"warn"}>${o.liveness_status==="ready"?"answers":"does not answer"}<//> <span class="mono muted">${o.liveness}</span>${o.last_error&&r` <span class="bad-text">${o.last_error}</span>`}`])]}
    />
    ${e.events.length>0&&r`<ol class="happened" aria-label=${`Events in ${n}, newest first`}>
      ${[...e.events].reverse().map(o=>r`<li key=${`${o.reason} ${o.message}`} class="happening">
          <span class="muted" title=${L(o.last_timestamp)}><${w} at=${o.last_timestamp} /></span>
          <${h} tone=${o.type==="Warning"?"warn":"idle"}>${o.reason}${o.count>1?` ×${o.count}`:""}<//>
          <span class="happening-text">${o.message}</span>
        </li>`)}
    </ol>`}
  <//>`}var tt=1.5,I=1e3;function Pt({service:t,rooms:n}){let[e,i]=m(n[0]),[s,c]=m(!1),l=n.includes(e)?e:n[0],d=async({signal:a})=>$(`${await u("rooms",l,"services",t.id,"logs")}?previous=${s}`,{signal:a}),{data:o,error:p,reload:b}=M(d,[l,s],{every_s:s?0:tt});return l?r`<div class="session-pane">
    <div class="toolbar">
      ${n.length>1&&r`<select class="select" aria-label="Room" value=${l} onChange=${a=>i(a.currentTarget.value)}>${n.map(a=>r`<option key=${a} value=${a}>${a}</option>`)}</select>`}
      <button type="button" class="button" aria-pressed=${String(!s)} onClick=${()=>c(!1)}>Running</button>
      <button type="button" class="button" aria-pressed=${String(s)} onClick=${()=>c(!0)}>Before</button>
    </div>
    ${p&&!o&&r`<${H} error=${p} retry=${b} />`}
    ${!o&&!p&&r`<${P} rows=${5} label="Loading the log" />`}
    ${o&&r`<${et} lines=${o.lines} none=${s?"No container of it has ended":"It wrote nothing"} />`}
  </div>`:r`<${v} icon="file" title="It runs nowhere"><p>Logs are kept as long as the room is open.</p><//>`}function et({lines:t,none:n="Nothing was written"}){let[e,i]=m(""),[s,c]=m(!0),l=y(null),d=y(0),o=E(()=>e?t.filter(a=>a.toLowerCase().includes(e.toLowerCase())):t,[t,e]),p=o.slice(-I);W(()=>{!s||!l.current||(l.current.scrollTop=l.current.scrollHeight,d.current=l.current.scrollTop)},[p.length,p.at(-1),s]),T(()=>c(!0),[e]);let b=()=>{let{scrollTop:a,scrollHeight:_,clientHeight:Q}=l.current,V=a<d.current-4;d.current=a,_-a-Q<24?c(!0):V&&c(!1)};return t.length?r`<div class="toolbar">
      <${G} value=${e} onInput=${i} placeholder="Search the log" />
      <span class="muted">${e?`${k(o.length)} of ${R(t.length,"line")}`:R(t.length,"line")}</span>
      <${z} text=${()=>o.join(`
`)} title="Copy the lines" />
    </div>
    <div class="log-frame">
      <ol class="log plain-log" ref=${l} onScroll=${b} tabindex="0" aria-label="Log, newest last">
        ${o.length>I&&r`<li class="log-gap">${k(o.length-I)} earlier lines are not shown.</li>`}
        ${p.map((a,_)=>r`<li key=${_} class=${a.startsWith("--- container ")?"log-gap":"log-text"}>${q(a)}</li>`)}
      </ol>
      ${!s&&r`<button type="button" class="button log-end" onClick=${()=>c(!0)}><${f} name="down" />Newest</button>`}
    </div>`:r`<${v} icon="file" title=${n}><p>What its containers print shows up here as they write it.</p><//>`}export{u as a,O as b,X as c,at as d,Y as e,it as f,j as g,ct as h,Z as i,xt as j,Pt as k,et as l};
