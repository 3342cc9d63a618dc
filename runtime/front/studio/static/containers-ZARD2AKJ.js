import{a as O,b as B,c as D,d as E,e as F,f as P}from"./chunk-4HB7OUS7.js";import{b as I}from"./chunk-IC5DWRLQ.js";import"./chunk-2LM3LY2T.js";import{a as x,h as z,j,l as U,o as G}from"./chunk-LBRAIQQB.js";import{a as b}from"./chunk-GKXTGCYH.js";import{a as N,b as v}from"./chunk-PGUJX7SX.js";import{A as _,B as L,a as g,c as f,d as y,f as w,l as S,w as h}from"./chunk-UJIFYHRV.js";import{ba as T,e as u,f as k,ha as R,o as n,s as C}from"./chunk-EIUZ374S.js";var H=2,K=I(()=>import("./terminal-HLRIAR5E.js").then(a=>a.Terminal));function pt({view:a,room:s}){let[o,l]=u(null),m=a.state.value==="open",{data:d}=b(({signal:r})=>C("/healthz?verbose",{signal:r}),[]),{data:p,error:t,reload:c}=b(()=>m?O(a.client):Promise.resolve(null),[m],{every_s:H}),$=Q(p);return o?n`<div class="box-view">
      <div class="toolbar"><button type="button" class="button small terminal-close" onClick=${()=>l(null)}><${g} name="back" size=${14} />Containers</button><h2>${o.kind==="log"?"Log of":"Terminal in"} ${o.box.name}</h2></div>
      ${o.kind==="log"?n`<${M} view=${a} box=${o.box} />`:n`<${K} view=${a} box=${o.box} />`}
    </div>`:n`<div class="boxes">
    ${d?.containers?.engine==="process"&&n`<div class="notice tone-warn"><${g} name="crashes" /><p><strong>These are processes of this machine, not containers.</strong> No container engine is here, so they are not isolated like containers.</p></div>`}
    <${q} room=${s} />
    <${A} view=${a} known=${$} error=${t} isOpen=${m} reload=${c} onShow=${(r,e)=>l({kind:r,box:e})} />
  </div>`}function q({room:a}){let{data:s,error:o,reload:l}=b(async({signal:t})=>C(await x("service-states"),{signal:t}),[],{every_s:H}),m=(s?.services??[]).filter(t=>!t.room||t.room===a),d=async t=>{let{name:c}=t,$=t.room?"in this room":"in every room, because it is the project's";if(!(t.is_enabled&&!await h({title:`Stop ${c}?`,text:`It ends ${$}, and does not start again before it is started here.`,action:"Stop"})))try{await z(t,r=>({...r,enabled:!t.is_enabled})),_({text:`${c} ${t.is_enabled?"ends":"starts"}.`,tone:"ok"}),l()}catch(r){L(r)}},p=`${S("/services","new")}?room=${encodeURIComponent(a)}`;return n`<${w} title="Services" flush actions=${n`<a class="button small" href=${p}><${g} name="plus" size=${14} />New service</a>`}>
    ${o&&!s&&n`<${y} error=${o} retry=${l} />`}
    ${!s&&!o&&n`<${f} rows=${2} label="Loading services" />`}
    ${s&&!m.length&&n`<p class="hook-none muted">Nothing is deployed for this room.</p>`}
    ${m.length>0&&n`<ul class="kept-list" aria-label="Services of this room">
      ${m.map(t=>{let c=t.states[a],{tone:$,word:r,sentence:e}=t.is_enabled?c?j(c):{tone:"idle",word:"from the next opening"}:{tone:"idle",word:"stopped"};return n`<li key=${t.id} class="kept">
          <div class="kept-what"><a href=${S("/services",t.id)}><strong>${t.name}</strong></a> <${R} tone=${$}>${r}<//>${e&&n`<p class=${$==="bad"?"bad-text":"muted"}>${e}</p>`}</div>
          <div class="kept-when muted mono" title=${t.image}>${t.image&&T(t.image)}</div>
          <div class="kept-do">
            ${t.is_enabled&&c&&t.image&&n`<button type="button" class="button small" aria-label=${`Restart ${t.name}`} onClick=${()=>U(t,a)}>Restart…</button>`}
            <button type="button" class="button small" aria-label=${`${t.is_enabled?"Stop":"Start"} ${t.name}`} onClick=${()=>d(t)}>${t.is_enabled?"Stop…":"Start"}</button>
          </div>
        </li>`})}
    </ul>`}
  <//>`}function A({view:a,known:s,error:o,isOpen:l,reload:m,onShow:d}){let[p,t]=u(!1),c=(e,i)=>e.then(()=>(_({text:i,tone:"ok"}),m()),L),$=async e=>{let i=e.service_id?"It is a service's: it is started again. Stop the service instead to end it for good.":"It is asked to end, and killed when it does not.";await h({title:`Stop ${e.name}?`,text:i,action:"Stop"})&&c(E(a.client,e.id),`${e.name} has ended.`)},r=async e=>{await h({title:`Remove ${e.name}?`,text:"Its log is gone with it.",action:"Remove",tone:"bad"})&&c(F(a.client,e.id),`${e.name} is removed.`)};return n`<${w} title="Containers" flush actions=${n`<button type="button" class="button small" disabled=${!l} onClick=${()=>t(!0)}><${g} name="play" size=${14} />Run…</button>`}>
    ${o&&!s&&n`<${y} error=${{title:"Containers could not be listed",detail:o.message}} retry=${m} />`}
    ${!s&&!o&&n`<${f} rows=${2} label="Loading containers" />`}
    ${s&&!s.length&&n`<p class="hook-none muted">Nothing runs. Services and agents start containers here, and so does <em>Run</em>.</p>`}
    ${s?.length>0&&n`<ul class="kept-list" aria-label="Containers of this room">
      ${s.map(e=>{let i=e.state==="RUNNING";return n`<li key=${e.id} class="kept">
          <div class="kept-what"><strong>${e.name}</strong> <${R} tone=${i?"ok":"idle"}>${i?"running":"ended"}<//><p class="muted">${e.status}</p></div>
          <div class="kept-when muted"><span class="mono">${e.image}</span> ${e.service_id?"":`by ${e.started_by.name}`}</div>
          <div class="kept-do">
            <button type="button" class="button small" aria-label=${`Log of ${e.name}`} onClick=${()=>d("log",e)}>Log</button>
            ${i&&n`<button type="button" class="button small" aria-label=${`Terminal in ${e.name}`} onClick=${()=>d("terminal",e)}>Terminal</button>`}
            ${i?n`<button type="button" class="button small" aria-label=${`Stop ${e.name}`} onClick=${()=>$(e)}>Stop…</button>`:n`<button type="button" class="button small danger" aria-label=${`Remove ${e.name}`} onClick=${()=>r(e)}>Remove…</button>`}
          </div>
        </li>`})}
    </ul>`}
    ${p&&n`<${J} view=${a} onClose=${()=>t(!1)} onDone=${()=>(t(!1),m())} />`}
  <//>`}function J({view:a,onClose:s,onDone:o}){let[l,m]=u(""),[d,p]=u(""),[t,c]=u(""),{data:$}=b(()=>B(a.client),[]),r=($??[]).map(i=>i.preferred_ref??i.tags?.[0]).filter(Boolean);return n`<${N} title="Run a container" action="Run" busyText="Starting…" onSend=${async()=>{if(!l.trim())throw{title:"Say what to run",detail:"the reference of an image"};await D(a.client,{image:l.trim(),command:d.trim(),name:t.trim()}),o()}} onClose=${s}>
    <${v} name="box-image" label="Image"><input id="box-image" class="input mono" list="box-images" spellcheck=${!1} value=${l} onInput=${i=>m(i.currentTarget.value)} /><datalist id="box-images">${r.map(i=>n`<option key=${i} value=${i} />`)}</datalist><//>
    <${v} name="box-command" label="Command" hint="Empty for the image's own."><input id="box-command" class="input mono" spellcheck=${!1} value=${d} onInput=${i=>p(i.currentTarget.value)} /><//>
    <${v} name="box-name" label="Name"><input id="box-name" class="input" spellcheck=${!1} value=${t} onInput=${i=>c(i.currentTarget.value)} /><//>
  <//>`}function M({view:a,box:s}){let[o,l]=u(null);return k(()=>P(a.client,s.id,l),[s.id]),o?n`<${G} lines=${o} />`:n`<${f} rows=${5} label="Loading the log" />`}function Q(a){let[s,o]=u(null);return k(()=>{a&&o(a)},[a]),a??s}export{pt as ContainersTab};
