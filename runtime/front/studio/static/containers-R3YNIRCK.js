import{a as B,b as D,c as E,d as F,e as P,f as j}from"./chunk-4HB7OUS7.js";import{b as I}from"./chunk-GAUKBAGQ.js";import"./chunk-2LM3LY2T.js";import{a as x,c as z,e as O,g as U,i as G,l as H}from"./chunk-QAQDWMHS.js";import{a as g}from"./chunk-Y4ZKINGX.js";import{a as N,b as v}from"./chunk-2LVU54HA.js";import{A as _,B as L,a as f,c as b,d as y,f as w,l as S,w as h}from"./chunk-IWOVZOM6.js";import{ba as T,e as u,f as k,ha as R,o as n,s as C}from"./chunk-FYR5JOBS.js";var K=2,q=I(()=>import("./terminal-CA2BKSRV.js").then(a=>a.Terminal));function ft({view:a,room:s}){let[o,r]=u(null),l=a.state.value==="open",{data:d}=g(({signal:c})=>C("/healthz?verbose",{signal:c}),[]),{data:p,error:t,reload:m}=g(()=>l?B(a.client):Promise.resolve(null),[l],{every_s:K}),$=V(p);return o?n`<div class="box-view">
      <div class="toolbar"><button type="button" class="button small terminal-close" onClick=${()=>r(null)}><${f} name="back" size=${14} />Containers</button><h2>${o.kind==="log"?"Log of":"Terminal in"} ${o.box.name}</h2></div>
      ${o.kind==="log"?n`<${Q} view=${a} box=${o.box} />`:n`<${q} view=${a} box=${o.box} />`}
    </div>`:n`<div class="boxes">
    ${d?.containers?.engine==="process"&&n`<div class="notice tone-warn"><${f} name="crashes" /><p><strong>These are processes of this machine, not containers.</strong> No container engine is here, so they are not isolated like containers.</p></div>`}
    <${A} room=${s} />
    <${J} view=${a} known=${$} error=${t} isOpen=${l} reload=${m} onShow=${(c,e)=>r({kind:c,box:e})} />
  </div>`}function A({room:a}){let{data:s,error:o,reload:r}=g(async({signal:t})=>C(await x("service-states"),{signal:t}),[],{every_s:K}),l=(s?.services??[]).filter(t=>!t.room||t.room===a),d=async t=>{let{name:m}=t,$=t.room?"in this room":"in every room, because it is the project's";if(!(t.is_enabled&&!await h({title:`Stop ${m}?`,text:`It ends ${$}, and does not start again before it is started here.`,action:"Stop"})))try{await O(t,{...await z(t),enabled:!t.is_enabled}),_({text:`${m} ${t.is_enabled?"ends":"starts"}.`,tone:"ok"}),r()}catch(c){L(c)}},p=`${S("/services","new")}?room=${encodeURIComponent(a)}`;return n`<${w} title="Services" flush actions=${n`<a class="button small" href=${p}><${f} name="plus" size=${14} />New service</a>`}>
    ${o&&!s&&n`<${y} error=${o} retry=${r} />`}
    ${!s&&!o&&n`<${b} rows=${2} label="Loading services" />`}
    ${s&&!l.length&&n`<p class="hook-none muted">Nothing is deployed for this room.</p>`}
    ${l.length>0&&n`<ul class="kept-list" aria-label="Services of this room">
      ${l.map(t=>{let m=t.states[a],{tone:$,word:c,sentence:e}=t.is_enabled?m?U(m):{tone:"idle",word:"from the next opening"}:{tone:"idle",word:"stopped"};return n`<li key=${t.id} class="kept">
          <div class="kept-what"><a href=${S("/services",t.id)}><strong>${t.name}</strong></a> <${R} tone=${$}>${c}<//>${e&&n`<p class=${$==="bad"?"bad-text":"muted"}>${e}</p>`}</div>
          <div class="kept-when muted mono" title=${t.image}>${t.image&&T(t.image)}</div>
          <div class="kept-do">
            ${t.is_enabled&&m&&t.image&&n`<button type="button" class="button small" aria-label=${`Restart ${t.name}`} onClick=${()=>G(t,a)}>Restart…</button>`}
            <button type="button" class="button small" aria-label=${`${t.is_enabled?"Stop":"Start"} ${t.name}`} onClick=${()=>d(t)}>${t.is_enabled?"Stop…":"Start"}</button>
          </div>
        </li>`})}
    </ul>`}
  <//>`}function J({view:a,known:s,error:o,isOpen:r,reload:l,onShow:d}){let[p,t]=u(!1),m=(e,i)=>e.then(()=>(_({text:i,tone:"ok"}),l()),L),$=async e=>{let i=e.service_id?"It is a service's: it is started again. Stop the service instead to end it for good.":"It is asked to end, and killed when it does not.";await h({title:`Stop ${e.name}?`,text:i,action:"Stop"})&&m(F(a.client,e.id),`${e.name} has ended.`)},c=async e=>{await h({title:`Remove ${e.name}?`,text:"Its log is gone with it.",action:"Remove",tone:"bad"})&&m(P(a.client,e.id),`${e.name} is removed.`)};return n`<${w} title="Containers" flush actions=${n`<button type="button" class="button small" disabled=${!r} onClick=${()=>t(!0)}><${f} name="play" size=${14} />Run…</button>`}>
    ${o&&!s&&n`<${y} error=${{title:"Containers could not be listed",detail:o.message}} retry=${l} />`}
    ${!s&&!o&&n`<${b} rows=${2} label="Loading containers" />`}
    ${s&&!s.length&&n`<p class="hook-none muted">Nothing runs. Services and agents start containers here, and so does <em>Run</em>.</p>`}
    ${s?.length>0&&n`<ul class="kept-list" aria-label="Containers of this room">
      ${s.map(e=>{let i=e.state==="RUNNING";return n`<li key=${e.id} class="kept">
          <div class="kept-what"><strong>${e.name}</strong> <${R} tone=${i?"ok":"idle"}>${i?"running":"ended"}<//><p class="muted">${e.status}</p></div>
          <div class="kept-when muted"><span class="mono">${e.image}</span> ${e.service_id?"":`by ${e.started_by.name}`}</div>
          <div class="kept-do">
            <button type="button" class="button small" aria-label=${`Log of ${e.name}`} onClick=${()=>d("log",e)}>Log</button>
            ${i&&n`<button type="button" class="button small" aria-label=${`Terminal in ${e.name}`} onClick=${()=>d("terminal",e)}>Terminal</button>`}
            ${i?n`<button type="button" class="button small" aria-label=${`Stop ${e.name}`} onClick=${()=>$(e)}>Stop…</button>`:n`<button type="button" class="button small danger" aria-label=${`Remove ${e.name}`} onClick=${()=>c(e)}>Remove…</button>`}
          </div>
        </li>`})}
    </ul>`}
    ${p&&n`<${M} view=${a} onClose=${()=>t(!1)} onDone=${()=>(t(!1),l())} />`}
  <//>`}function M({view:a,onClose:s,onDone:o}){let[r,l]=u(""),[d,p]=u(""),[t,m]=u(""),{data:$}=g(()=>D(a.client),[]),c=($??[]).map(i=>i.preferred_ref??i.tags?.[0]).filter(Boolean);return n`<${N} title="Run a container" action="Run" busyText="Starting…" onSend=${async()=>{if(!r.trim())throw{title:"Say what to run",detail:"the reference of an image"};await E(a.client,{image:r.trim(),command:d.trim(),name:t.trim()}),o()}} onClose=${s}>
    <${v} name="box-image" label="Image"><input id="box-image" class="input mono" list="box-images" spellcheck=${!1} value=${r} onInput=${i=>l(i.currentTarget.value)} /><datalist id="box-images">${c.map(i=>n`<option key=${i} value=${i} />`)}</datalist><//>
    <${v} name="box-command" label="Command" hint="Empty for the image's own."><input id="box-command" class="input mono" spellcheck=${!1} value=${d} onInput=${i=>p(i.currentTarget.value)} /><//>
    <${v} name="box-name" label="Name"><input id="box-name" class="input" spellcheck=${!1} value=${t} onInput=${i=>m(i.currentTarget.value)} /><//>
  <//>`}function Q({view:a,box:s}){let[o,r]=u(null);return k(()=>j(a.client,s.id,r),[s.id]),o?n`<${H} lines=${o} />`:n`<${b} rows=${5} label="Loading the log" />`}function V(a){let[s,o]=u(null);return k(()=>{a&&o(a)},[a]),a??s}export{ft as ContainersTab};
