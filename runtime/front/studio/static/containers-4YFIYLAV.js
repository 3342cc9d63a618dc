import{a as O,b as B,c as D,d as E,e as F,f as P}from"./chunk-4HB7OUS7.js";import{b as I}from"./chunk-DLUPDQ6T.js";import"./chunk-2LM3LY2T.js";import{a as T,c as N,e as x,g as z,h as v,i as j,k as U,n as G}from"./chunk-UTMG6KEE.js";import{a as b}from"./chunk-M2OYQTKB.js";import{a as f,c as g,d as y,f as w,l as S,r as h,v as _,w as L}from"./chunk-KQQVONLB.js";import{e as u,ea as R,f as k,o as n,s as C}from"./chunk-YHMTHPNO.js";var H=2,K=I(()=>import("./terminal-3XTLOEEQ.js").then(o=>o.Terminal));function ut({view:o,room:s}){let[a,r]=u(null),l=o.state.value==="open",{data:d}=b(({signal:c})=>C("/healthz?verbose",{signal:c}),[]),{data:p,error:t,reload:m}=b(()=>l?O(o.client):Promise.resolve(null),[l],{every_s:H}),$=Q(p);return a?n`<div class="box-view">
      <div class="toolbar"><button type="button" class="button small terminal-close" onClick=${()=>r(null)}><${f} name="back" size=${14} />Containers</button><h2>${a.kind==="log"?"Log of":"Terminal in"} ${a.box.name}</h2></div>
      ${a.kind==="log"?n`<${M} view=${o} box=${a.box} />`:n`<${K} view=${o} box=${a.box} />`}
    </div>`:n`<div class="boxes">
    ${d?.containers?.engine==="process"&&n`<div class="notice tone-warn"><${f} name="crashes" /><p><strong>These are processes of this machine, not containers.</strong> No container engine is here, so they are not isolated like containers.</p></div>`}
    <${q} room=${s} />
    <${A} view=${o} known=${$} error=${t} isOpen=${l} reload=${m} onShow=${(c,e)=>r({kind:c,box:e})} />
  </div>`}function q({room:o}){let{data:s,error:a,reload:r}=b(async({signal:t})=>C(await T("service-states"),{signal:t}),[],{every_s:H}),l=(s?.services??[]).filter(t=>!t.room||t.room===o),d=async t=>{let{name:m}=t,$=t.room?"in this room":"in every room, because it is the project's";if(!(t.is_enabled&&!await h({title:`Stop ${m}?`,text:`It ends ${$}, and does not start again before it is started here.`,action:"Stop"})))try{await x(t,{...await N(t),enabled:!t.is_enabled}),_({text:`${m} ${t.is_enabled?"ends":"starts"}.`,tone:"ok"}),r()}catch(c){L(c)}},p=`${S("/services","new")}?room=${encodeURIComponent(o)}`;return n`<${w} title="Services" flush actions=${n`<a class="button small" href=${p}><${f} name="plus" size=${14} />New service</a>`}>
    ${a&&!s&&n`<${y} error=${a} retry=${r} />`}
    ${!s&&!a&&n`<${g} rows=${2} label="Loading services" />`}
    ${s&&!l.length&&n`<p class="hook-none muted">Nothing is deployed for this room.</p>`}
    ${l.length>0&&n`<ul class="kept-list" aria-label="Services of this room">
      ${l.map(t=>{let m=t.states[o],{tone:$,word:c,sentence:e}=t.is_enabled?m?j(m):{tone:"idle",word:"from the next opening"}:{tone:"idle",word:"stopped"};return n`<li key=${t.id} class="kept">
          <div class="kept-what"><a href=${S("/services",t.id)}><strong>${t.name}</strong></a> <${R} tone=${$}>${c}<//>${e&&n`<p class=${$==="bad"?"bad-text":"muted"}>${e}</p>`}</div>
          <div class="kept-when muted mono">${t.image}</div>
          <div class="kept-do">
            ${t.is_enabled&&m&&t.image&&n`<button type="button" class="button small" aria-label=${`Restart ${t.name}`} onClick=${()=>U(t,o)}>Restart…</button>`}
            <button type="button" class="button small" aria-label=${`${t.is_enabled?"Stop":"Start"} ${t.name}`} onClick=${()=>d(t)}>${t.is_enabled?"Stop…":"Start"}</button>
          </div>
        </li>`})}
    </ul>`}
  <//>`}function A({view:o,known:s,error:a,isOpen:r,reload:l,onShow:d}){let[p,t]=u(!1),m=(e,i)=>e.then(()=>(_({text:i,tone:"ok"}),l()),L),$=async e=>{let i=e.service_id?"It is a service's: it is started again. Stop the service instead to end it for good.":"It is asked to end, and killed when it does not.";await h({title:`Stop ${e.name}?`,text:i,action:"Stop"})&&m(E(o.client,e.id),`${e.name} has ended.`)},c=async e=>{await h({title:`Remove ${e.name}?`,text:"Its log is gone with it.",action:"Remove",tone:"bad"})&&m(F(o.client,e.id),`${e.name} is removed.`)};return n`<${w} title="Containers" flush actions=${n`<button type="button" class="button small" disabled=${!r} onClick=${()=>t(!0)}><${f} name="play" size=${14} />Run…</button>`}>
    ${a&&!s&&n`<${y} error=${{title:"Containers could not be listed",detail:a.message}} retry=${l} />`}
    ${!s&&!a&&n`<${g} rows=${2} label="Loading containers" />`}
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
    ${p&&n`<${J} view=${o} onClose=${()=>t(!1)} onDone=${()=>(t(!1),l())} />`}
  <//>`}function J({view:o,onClose:s,onDone:a}){let[r,l]=u(""),[d,p]=u(""),[t,m]=u(""),{data:$}=b(()=>B(o.client),[]),c=($??[]).map(i=>i.preferred_ref??i.tags?.[0]).filter(Boolean);return n`<${z} title="Run a container" action="Run" busyText="Starting…" onSend=${async()=>{if(!r.trim())throw{title:"Say what to run",detail:"the reference of an image"};await D(o.client,{image:r.trim(),command:d.trim(),name:t.trim()}),a()}} onClose=${s}>
    <${v} name="box-image" label="Image"><input id="box-image" class="input mono" list="box-images" spellcheck=${!1} value=${r} onInput=${i=>l(i.currentTarget.value)} /><datalist id="box-images">${c.map(i=>n`<option key=${i} value=${i} />`)}</datalist><//>
    <${v} name="box-command" label="Command" hint="Empty for the image's own."><input id="box-command" class="input mono" spellcheck=${!1} value=${d} onInput=${i=>p(i.currentTarget.value)} /><//>
    <${v} name="box-name" label="Name"><input id="box-name" class="input" spellcheck=${!1} value=${t} onInput=${i=>m(i.currentTarget.value)} /><//>
  <//>`}function M({view:o,box:s}){let[a,r]=u(null);return k(()=>P(o.client,s.id,r),[s.id]),a?n`<${G} lines=${a} />`:n`<${g} rows=${5} label="Loading the log" />`}function Q(o){let[s,a]=u(null);return k(()=>{o&&a(o)},[o]),o??s}export{ut as ContainersTab};
