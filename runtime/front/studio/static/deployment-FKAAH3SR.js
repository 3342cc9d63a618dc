import{a as Ie}from"./chunk-MNX3ZQGL.js";import{a as _,b as ne,c as Ne,d as qe,e as Ae,f as Ue,h as ee,j as Ve,k as ze}from"./chunk-QAQDWMHS.js";import{a as C}from"./chunk-Y4ZKINGX.js";import{f as be,g as ge,h as ae}from"./chunk-H3QLBYW4.js";import{a as re,b as A}from"./chunk-2LVU54HA.js";import{A as T,B as j,a as y,b as E,c as S,d as x,e as q,f as O,h as z,l as I,m as te,n as D,o as je,r as H,t as Y,u as fe,v as We,w as U,y as he,z as oe}from"./chunk-IWOVZOM6.js";import{$ as Be,B as xe,E as Ce,F as Pe,G as Te,H as le,K as ce,Q as se,S as Fe,T as L,U as G,V as _e,W as X,Z as pe,ba as Ke,e as $,ea as Ee,f as W,g as ue,h as V,ha as R,i as J,ia as P,o as t,p as de,s as k,u as M,v as $e,w as Z}from"./chunk-FYR5JOBS.js";function Ge({service:e,onChanged:o}){let s=async({signal:h})=>k(`${await ne(e.room,e.id)}/revisions`,{signal:h}),{data:a,error:r,reload:n}=C(s,[e.id,e.revision]),[m,l]=$(null),[d,u]=$(null);if(r&&!a)return t`<div class="session-pane"><${x} error=${r} retry=${n} /></div>`;if(!a)return t`<div class="session-pane"><${S} rows=${5} label="Loading revisions" /></div>`;let i=a.revisions,c=i.find(h=>h.revision===m)??i[0],v=i.filter(h=>h.revision<c.revision),p=v.find(h=>h.revision===d)??v[0],w=async()=>{let h=`Its manifest, its image and the versions of its secrets become those of revision ${c.revision} again, as a new revision. ${e.room?"Its room follows at once.":"Rooms follow when they open next."}`;if(await U({title:`Roll ${e.name} back to revision ${c.revision}?`,text:h,action:"Roll back"}))try{await M(`${await ne(e.room,e.id)}/rollback`,{revision:c.revision}),T({text:`${e.name} is back at revision ${c.revision}.`,tone:"ok"}),l(null),o()}catch(b){j(b)}};return t`<div class="session-pane revisions">
    <ul class="revision-list" aria-label="Revisions, newest first">
      ${i.map(h=>t`<li key=${h.revision}><button type="button" class=${de("revision",h===c&&"chosen")} aria-pressed=${String(h===c)} onClick=${()=>(l(h.revision),u(null))}>
          <strong>${h.revision}</strong><span>${h.what}${h.is_current&&t` <${P} tone="ok">in force<//>`}</span>
          <span class="muted revision-by"><${fe} at=${h.at} /> ${h.by&&`by ${h.by}`}</span>
        </button></li>`)}
    </ul>
    <div class="revision-shown">
      <div class="toolbar">
        <span>Revision ${c.revision}${p?" against":", the oldest that is kept"}</span>
        ${p&&t`<select class="select" aria-label="Compared with" value=${String(p.revision)} onChange=${h=>u(Number(h.currentTarget.value))}>${v.map(h=>t`<option key=${h.revision} value=${String(h.revision)}>${h.revision}: ${h.what}</option>`)}</select>`}
        <span class="spread" />
        ${!c.is_current&&t`<button type="button" class="button" onClick=${w}><${y} name="reload" size=${14} />Roll back to ${c.revision}…</button>`}
      </div>
      ${c.image_digest&&t`<p class="muted">Its image was <code>${c.image_digest}</code></p>`}
      ${p&&t`<${St} service=${e} old=${p.revision} new=${c.revision} />`}
    </div>
  </div>`}function St({service:e,old:o,new:s}){let a=async({signal:l})=>k(`${await ne(e.room,e.id)}/diff?old=${o}&new=${s}`,{signal:l}),{data:r,error:n,reload:m}=C(a,[e.id,o,s]);return n&&!r?t`<${x} error=${n} retry=${m} />`:r?r.diff?t`<pre class="code diff" tabindex="0" aria-label=${`What revision ${s} changed`}>${r.diff.trimEnd().split(`
`).filter(l=>!/^(---|\+\+\+) /.test(l)).map((l,d)=>t`<span key=${d} class=${xt[l[0]]??""}>${l}${`
`}</span>`)}</pre>`:t`<p class="muted">The manifests are alike; versions of secrets differ.</p>`:t`<${S} rows=${4} label="Comparing" />`}var xt={"+":"added","-":"taken","@":"hunk"};var Ct=250;function Je(e){let[o,s]=$({said:null,of:"",error:null}),a=JSON.stringify(e),r=V(!0);return W(()=>{let n=new AbortController,m=setTimeout(async()=>{try{let l=await M(await _("manifests","check"),e,{signal:n.signal});n.signal.aborted||s({said:l,of:a,error:null})}catch(l){n.signal.aborted||s(d=>({...d,of:a,error:l}))}},r.current?0:Ct);return r.current=!1,()=>{clearTimeout(m),n.abort()}},[a]),{said:o.said,isOld:o.of!==a,error:o.error}}var Tt={error:"bad",warning:"warn",note:"busy"},_t=5e3;function He({text:e,onInput:o,check:s,label:a="Manifest"}){let r=V(null),n=V(null),m=V(!1),l=(s.said?.problems??[]).filter(p=>!p.path.startsWith("values.")),d=J(()=>{let p=new Map;for(let w of[...l].reverse())p.set(w.line,w.severity);return p},[s.said]),u=Math.min(_t,e.split(`
`).length),i=()=>n.current.scrollTop=r.current.scrollTop;ue(i,[u]);let c=({line:p,column:w})=>{let b=e.split(`
`).slice(0,p-1).reduce((f,g)=>f+g.length+1,0)+w-1;r.current.focus(),r.current.setSelectionRange(b,b);let N=parseFloat(getComputedStyle(r.current).lineHeight);r.current.scrollTop=Math.max(0,(p-4)*N)},v=p=>{p.key==="Escape"?m.current=!0:p.key==="Tab"&&!p.shiftKey&&!m.current&&!p.ctrlKey&&!p.altKey?(p.preventDefault(),document.execCommand("insertText",!1,"  ")):p.key!=="Shift"&&(m.current=!1)};return t`<div class="editor">
    <div class="editor-frame">
      <div class="editor-gutter" ref=${n} aria-hidden="true">${Array.from({length:u},(p,w)=>t`<span key=${w} class=${de(d.has(w+1)&&`mark-${d.get(w+1)}`)}>${w+1}</span>`)}</div>
      <textarea ref=${r} class="editor-text" aria-label=${a} aria-describedby="editor-said" aria-invalid=${l.some(p=>p.severity==="error")?"true":void 0} spellcheck=${!1} autocapitalize="off" autocomplete="off" wrap="off" value=${e} onInput=${p=>o(p.currentTarget.value)} onScroll=${i} onKeyDown=${v}></textarea>
    </div>
    <div id="editor-said" class="editor-said" role="status">
      ${Et(s,l)}
      ${s.said?.mended&&t`<button type="button" class="button small" onClick=${()=>o(s.said.mended)}><${y} name="check" size=${14} />Mend what is sure</button>`}
    </div>
    ${l.length>0&&t`<ul class="problems" aria-label="What is wrong">
      ${l.map((p,w)=>t`<li key=${w}><button type="button" class="problem" onClick=${()=>c(p)}>
          <span class="problem-at mono">${p.line}:${p.column}</span><${R} tone=${Tt[p.severity]}>${p.severity}<//>
          <span class="problem-text">${p.path&&t`<span class="mono">${p.path}</span>: `}${p.text}</span>
        </button></li>`)}
    </ul>`}
  </div>`}function Et({said:e,error:o,isOld:s},a){if(o)return t`<${R} tone="warn">It could not be looked at: ${o.message}<//>`;if(!e)return t`<${R} tone="busy">Looking at it…<//>`;let r=a.filter(m=>m.severity==="error").length,n=s?"…":"";return r?t`<${R} tone="bad">${G(r,"error")}${n}<//>`:t`<${R} tone="ok">${e.kind==="ServiceTemplate"?"A template that can be used":"A service that can be used"}${n}<//>`}function Ye({variables:e,values:o,onChange:s,problems:a,touched:r,onTouch:n,isTried:m}){return e.length?t`<div class="form template-form">
    ${e.map(l=>{let d=a.find(({path:p})=>p===`values.${l.name}`),u=d&&(m||r.has(l.name))?d.text:"",i=`value-${l.name}`,c={id:i,"aria-invalid":u?"true":void 0,"aria-describedby":u||l.description?`${i}-hint`:void 0,"aria-required":l.is_optional?void 0:"true",value:o[l.name]??"",onBlur:()=>n(l.name)},v=p=>s({...o,[l.name]:p.currentTarget.value});return t`<${A} key=${l.name} name=${i} label=${t`${l.title||l.name}${l.is_optional&&t` <span class="muted">optional</span>`}`} hint=${l.description||" "} error=${u}>${It(l,c,v)}<//>`})}
  </div>`:t`<p class="muted">The template takes no values.</p>`}function It(e,o,s){return e.words.length?t`<select class="select" ...${o} onChange=${s}>
      <option value="">${e.is_optional?"(none)":"Choose…"}</option>
      ${e.words.map(a=>t`<option key=${a} value=${a}>${a}</option>`)}
    </select>`:e.is_obscure?t`<input class="input mono" type="password" autocomplete="new-password" ...${o} onInput=${s} />`:e.kind==="email"?t`<input class="input" type="email" autocomplete="email" placeholder="ada@example.org" ...${o} onInput=${s} />`:t`<input class="input" type="text" spellcheck=${!1} ...${o} onInput=${s} />`}function ve({start:e,action:o,onSend:s,fixedRoom:a=!1,children:r}){let[n,m]=$(e.text),[l,d]=$(e.values??{}),[u,i]=$(new Set),[c,v]=$(!1),[p,w]=$(e.room??""),[h,b]=$(!e.room),[N,f]=$(!1),[g,F]=$(null),[Se,Le]=$(/^kind:\s*["']?ServiceTemplate/m.test(e.text)),Me=Nt(l),B=Je({text:n,creating:!a,values:Se?Me:null});W(()=>{B.said?.variables.length?Le(!0):B.said?.kind==="Service"&&Le(!1)},[B.said]),W(()=>{if(n===e.text)return;let K=me=>me.preventDefault();return addEventListener("beforeunload",K),()=>removeEventListener("beforeunload",K)},[n]);let yt=async K=>{if(K.preventDefault(),v(!0),F(null),B.isOld||!B.said)return;if(!B.said.valid)return document.querySelector('.write [aria-invalid="true"]')?.focus();let me=h||a?"":ge(p.trim());if(me)return F({title:me});f(!0);try{await s(Se?{template:n,values:Me}:B.said.manifest,h?"":p.trim())}catch(kt){F(kt)}f(!1)},wt=B.said?.variables??[];return t`<form class="write" onSubmit=${yt} novalidate autocomplete="off">
    ${!a&&t`<${O} title="Where it runs">
      <div class="where" role="radiogroup" aria-label="Where it runs">
        <label class="check"><input type="radio" name="where" checked=${h} onChange=${()=>b(!0)} /> In every room, from its next opening</label>
        <label class="check"><input type="radio" name="where" checked=${!h} onChange=${()=>b(!1)} /> In one room, at once where it is open</label>
        ${!h&&t`<${A} name="service-room" label="Room"><input id="service-room" class="input" list="rooms-known" spellcheck=${!1} value=${p} onInput=${K=>w(K.currentTarget.value)} />
          <datalist id="rooms-known">${(le.value??[]).map(K=>t`<option key=${K.name} value=${K.name} />`)}</datalist><//>`}
      </div>
    <//>`}
    <${O} title="Manifest"><${He} text=${n} onInput=${m} check=${B} /><//>
    ${Se&&t`<${O} title="Values"><${Ye} variables=${wt} values=${l} onChange=${d} problems=${B.said?.problems??[]} touched=${u} onTouch=${K=>i(new Set([...u,K]))} isTried=${c} /><//>`}
    ${g&&t`<p class="form-error" role="alert">${g.title??g.message}${g.detail?`: ${g.detail}`:""}</p>`}
    <div class="buttons"><button type="submit" class="button primary" disabled=${N||B.isOld}>${N?"Saving…":o}</button>${r}</div>
  </form>`}function Nt(e){return Object.fromEntries(Object.entries(e).filter(([,o])=>o!==""))}var At=/^[A-Za-z_/](?:[A-Za-z0-9_./@ -]|:(?=[A-Za-z0-9_./@-]))*$/,Ot=/^(?:y|n|yes|no|on|off|true|false|null|~|nan|inf|[-+]?\.?inf)$/i;function we(e){return`${Oe(e,"").join(`
`)}
`}function Oe(e,o){return Array.isArray(e)?e.flatMap(s=>{if(!Qe(s))return[`${o}- ${Ze(s)}`];let[a,...r]=Oe(s,`${o}  `);return[`${o}- ${a.slice(o.length+2)}`,...r]}):Object.entries(e).flatMap(([s,a])=>Rt(a)?[`${o}${ye(s)}: ${a.endsWith(`
`)?"|":"|-"}`,...a.trimEnd().split(`
`).map(r=>r?`${o}  ${r}`:"")]:Qe(a)?[`${o}${ye(s)}:`,...Oe(a,`${o}  `)]:[`${o}${ye(s)}: ${Ze(a)}`])}var Rt=e=>typeof e=="string"&&/^\S.*\n/.test(e)&&!/[\t\r\u0080-\u00a0\u2028\u2029\ufeff]|[ ]\n|\n\n$|\s$(?<!\S\n)/.test(e),Qe=e=>e!==null&&typeof e=="object"&&Object.keys(e).length>0;function Ze(e){return Array.isArray(e)?"[]":e!==null&&typeof e=="object"?"{}":typeof e=="string"?ye(e):String(e)}function ye(e){return At.test(e)&&!Ot.test(e)&&e===e.trim()?e:JSON.stringify(e)}var Dt=2,ie={href:`${I("/services")}?tab=deployed`,label:"Services"},Xe=[{id:"state",label:"State"},{id:"log",label:"Log"},{id:"revisions",label:"Revisions"},{id:"manifest",label:"Manifest"}],et="meshagent.service.template.yaml",Lt="meshagent.service.template.values";function Mt({id:e}){let{data:o,error:s,reload:a}=C(async({signal:n})=>k(await _("service-states"),{signal:n}),[],{every_s:Dt});if(s&&!o)return t`<${q} title="Service" back=${ie}><${x} error=${s} retry=${a} /><//>`;if(!o)return t`<${q} title="Service" back=${ie}><${S} rows=${6} /><//>`;let r=o.services.find(n=>n.id===e);return r?t`<${Pt} service=${r} onChanged=${a} />`:t`<${q} title="Service" back=${ie}><${E} icon="services" title="No such service"><p>It was deleted, or never was.</p><p><a class="button" href=${ie.href}>All services</a></p><//><//>`}function Pt({service:e,onChanged:o}){let s=z.value.query.get("tab"),a=Xe.some(u=>u.id===s)?s:"state",r=Object.keys(e.states).sort(),{tone:n,word:m,sentence:l}=ee(e),d=u=>D({tab:u==="state"?null:u},{push:!0});return t`<${q}
    title=${e.name}
    back=${ie}
    class="services service"
    meta=${t`<${R} tone=${n}>${m}<//><span>${e.room?t`in <a href=${I("/rooms",e.room)}>${e.room}</a>`:"in every room"}</span><${P}>revision ${e.revision}<//>`}
    actions=${t`<${jt} service=${e} onChanged=${o} />`}
  >
    <section class="card flush session-more">
      <${ae} tabs=${Xe} current=${a} onChange=${d} label="Parts of the service" />
      ${a==="state"&&t`<div class="session-pane">
        ${r.map(u=>t`<${Ve} key=${u} service=${e} room=${u} state=${e.states[u]} />`)}
        ${!r.length&&t`<${E} icon="services" title=${e.is_enabled?"It runs in no room":"It is disabled"}><p>${e.is_enabled?l:"Enable it, and rooms start it again."}</p><//>`}
      </div>`}
      ${a==="log"&&t`<${ze} service=${e} rooms=${r} />`}
      ${a==="revisions"&&t`<${Ge} service=${e} onChanged=${o} />`}
      ${a==="manifest"&&t`<${Ft} key=${e.revision} service=${e} onChanged=${o} />`}
    </section>
  <//>`}function jt({service:e,onChanged:o}){let[s,a]=$(!1),r=l=>async()=>{a(!0),await l().catch(j),a(!1)},n=r(async()=>{let{name:l}=e;e.is_enabled&&!await U({title:`Disable ${l}?`,text:"Where it runs it ends at once, in every room. It is kept, and can be enabled again.",action:"Disable"})||(await Ae(e,{...await Ne(e),enabled:!e.is_enabled}),T({text:`${l} is ${e.is_enabled?"disabled":"enabled"}.`,tone:"ok"}),o())}),m=r(async()=>{await U({title:`Delete ${e.name}?`,text:"Where it runs it ends at once. Its revisions are forgotten, too; this cannot be undone.",action:"Delete",tone:"bad"})&&(await Z(await ne(e.room,e.id)),T({text:`${e.name} is deleted.`,tone:"ok"}),te(ie.href))});return t`<button type="button" class="button" disabled=${s} onClick=${n}><${y} name=${e.is_enabled?"pause":"play"} />${e.is_enabled?"Disable…":"Enable"}</button>
    <button type="button" class="button danger" disabled=${s} onClick=${m}><${y} name="close" />Delete…</button>`}function Ft({service:e,onChanged:o}){let{data:s,error:a,reload:r}=C(()=>Ne(e),[e.id]);if(a&&!s)return t`<div class="session-pane"><${x} error=${a} retry=${r} /></div>`;if(!s)return t`<div class="session-pane"><${S} rows=${8} label="Loading the manifest" /></div>`;let n=async m=>{let l=await Ae(e,m);T({text:`${l.metadata.name} is changed.`,tone:"ok"}),o()};return t`<div class="session-pane"><${ve} start=${Bt(s)} action="Save as a new revision" onSend=${n} fixedRoom /></div>`}function Bt({id:e,...o}){let s=o.metadata.annotations??{};return s[et]?{text:s[et],values:JSON.parse(s[Lt]||"{}")}:{text:we(o)}}function tt({endpoint:e,onClose:o}){let[s,a]=$(""),[r,n]=$(!1),[m,l]=$(null),d=V(null);W(()=>{k("/studio/me").then(i=>a(c=>c||i.default_room||le.peek()?.[0]?.name||""),()=>{})},[]),ue(()=>d.current.focus(),[]);let u=async i=>{i.preventDefault();let c=s.trim(),v=ge(c);if(v){l(c?{title:v}:{title:"Say into which room",detail:"A room that does not exist yet is made."}),d.current.focus();return}n(!0),l(null);try{await M(e.path,{event:"room.call",data:{room_name:c}},{headers:{Prefer:"wait=15"}}),T({text:`${e.identity} is called into ${c}.`,tone:"ok",link:I("/rooms",c),linkText:"Open the room"}),o()}catch(p){l(p),n(!1)}};return t`<${We}
    title=${`Call ${e.identity} into a room`}
    onClose=${o}
    footer=${t`<button type="button" class="button" onClick=${o}>Cancel</button><button type="submit" form="call-form" class="button primary" disabled=${r}>${r?"Calling…":"Call"}</button>`}
  >
    <form id="call-form" class="call-form" onSubmit=${u} novalidate>
      <div class="field">
        <label for="call-room">Room</label>
        <input ref=${d} id="call-room" class="input" type="text" name="room" list="rooms-known" autocomplete="off" spellcheck=${!1} value=${s} aria-invalid=${m?"true":void 0} aria-describedby="call-about" onInput=${i=>a(i.currentTarget.value)} />
        <datalist id="rooms-known">${(le.value??[]).map(i=>t`<option key=${i.name} value=${i.name} />`)}</datalist>
      </div>
      <p id="call-about" class="hint muted">A new session of <span class="mono">${H(e.path,e.bundle)}</span> starts in a process of its own and joins this room as ${e.identity}.</p>
      ${m&&t`<p class="call-error" role="alert">${m.title}${m.detail?`: ${m.detail}`:""}</p>`}
    </form>
  <//>`}var Kt=2,Wt=[{id:"name",label:"Service",sort:e=>e.name,cell:e=>t`<a href=${I("/services",e.id)}><strong>${e.name}</strong></a>`},{id:"room",label:"Room",sort:e=>e.room,cell:e=>e.room?t`<a href=${`${I("/rooms",e.room)}?tab=services`}>${e.room}</a>`:t`<span class="muted">every room</span>`},{id:"state",label:"State",sort:e=>ee(e).word,cell:e=>t`<${qt} service=${e} />`},{id:"image",label:"Image",hide:"narrow",sort:e=>e.image,cell:e=>e.image?t`<span class="mono" title=${e.image}>${Ke(e.image)}</span>`:t`<span class="muted">runs elsewhere</span>`},{id:"revision",label:"Revision",align:"right",hide:"narrow",sort:e=>e.revision,cell:e=>e.revision},{id:"restarts",label:"Restarts",align:"right",hide:"medium",sort:st,first:"desc",cell:e=>st(e)||""},{id:"changed",label:"Changed",hide:"medium",sort:e=>e.updated_at,first:"desc",cell:e=>t`<${fe} at=${e.updated_at} />`}];function qt({service:e}){let{tone:o,word:s,sentence:a}=ee(e);return t`<span title=${a}><${R} tone=${o}>${s}<//>${a&&o!=="idle"&&t` <span class="muted">${a}</span>`}</span>`}function st(e){return Object.values(e.states).reduce((o,s)=>o+s.restart_count,0)}function ot({wanted:e}){let{data:o,error:s,reload:a}=C(async({signal:n})=>k(await _("service-states"),{signal:n}),[],{every_s:Kt}),r=J(()=>(o?.services??[]).filter(n=>oe(e,[n.name,n.room,n.image,ee(n).word])),[o,e]);return s&&!o?t`<${x} error=${s} retry=${a} />`:o?o.services.length?r.length?t`<${be} label="Deployed services" columns=${Wt} rows=${r} rowKey=${n=>n.id} rowTone=${n=>ee(n).tone==="bad"?"bad":""} onOpen=${n=>te(I("/services",n.id))} grow keys />`:t`<${E} icon="search" title="No service matches"><button class="button" onClick=${()=>D({q:null})}>Show all</button><//>`:t`<${E} icon="services" title="No service is deployed">
      <p>A service is a manifest that this server keeps: whoever enters a room first starts it, in a container or as a process.</p>
      <p><a class="button primary" href=${I("/services","new")}><${y} name="plus" />New service</a></p>
      <p><code>bulkhead service create FILE --room ROOM</code> does the same.</p>
    <//>`:t`<${S} rows=${5} label="Loading services" />`}var Ut={memory_bytes:["memory",se],cpu:["processor",Fe],cpu_total_s:["processor time in all",X],pids:["processes and threads",L],files:["open files",L],file_size_bytes:["largest file",se],disk_bytes:["disk",se],timeout_s:["longest life",X],idle_timeout_s:["longest idle",X],concurrency:["sessions at once",L]};function at(e,o){return Object.entries(e??{}).map(([s,a])=>{let[r,n]=Ut[s]??[s.replaceAll("_"," "),String];return[r,n(a),o?.[s]??""]})}var rt=[["endpoint","Endpoint"],["identity","Identity"],["room","Room"],["session","Session"],["day","Day"]],Vt=[["","All that is known"],["1h","The last hour"],["24h","The last day"],["168h","The last week"]],Q=(e,o,s,a={})=>({id:e,label:o,align:"right",first:"desc",sort:r=>r[e],cell:r=>s(r[e]),...a}),zt=[Q("sessions","Sessions",L),Q("restarts","Restarts",L,{hide:"medium"}),Q("turns","Turns",L,{hide:"narrow"}),Q("messages","Messages",L,{hide:"medium"}),Q("cpu_s","Processor",X),Q("peak_bytes","Peak memory",se),Q("memory_gib_s","GiB · s",_e,{hide:"medium"}),Q("tokens_in","Tokens in",L,{hide:"narrow"}),Q("tokens_out","Tokens out",L,{hide:"narrow"}),{id:"cost",label:"Cost",align:"right",first:"desc",sort:e=>e.cost_usd,cell:lt}];function lt(e){if(!(e.tokens_in+e.tokens_out))return"–";let s=e.cost_usd?e.cost_usd<.01?"<$0.01":`$${e.cost_usd.toFixed(2)}`:e.unpriced_tokens?"":"$0";return e.unpriced_tokens?t`<span title=${`${L(e.unpriced_tokens)} tokens without a price`}>${s?`${s} + ?`:"?"}</span>`:s}function ct(){let[e,o]=$("endpoint"),[s,a]=$(""),r=`by=${e}${s?`&since=${s}`:""}`,{data:n,error:m,reload:l}=C(({signal:c})=>k(`/usage?${r}`,{signal:c}),[e,s],{every_s:10}),u=[{id:"name",label:rt.find(([c])=>c===e)[1],class:"grow",sort:c=>c.name,cell:c=>t`<span class="mono" title=${c.name}>${(e==="endpoint"?H(c.name):c.name)||"–"}</span>`},...zt],i=(n?.rows??[]).map(c=>({...c,name:c[n.by]}));return t`
    <div class="usage-choice">
      <${nt} label="By" options=${rt} value=${e} onChange=${o} />
      <${nt} label="Ended within" options=${Vt} value=${s} onChange=${a} />
    </div>
    ${m&&!n&&t`<${x} error=${m} retry=${l} />`}
    ${!n&&!m&&t`<${S} rows=${5} label="Loading usage" />`}
    ${n&&!i.length&&t`<${E} icon="services" title="Nothing was used"><p>Sessions that run, or that ended in this time, are added up here.</p><//>`}
    ${n&&i.length>0&&t`<${be} label=${`Usage by ${e}`} columns=${u} rows=${i} rowKey=${c=>c.name} initialSort=${{by:"cpu_s",down:!0}} grow=${!0} keys>
        <${Gt} total=${n.total} prices=${n} />
      <//>`}
  `}var Gt=({total:e,prices:o})=>t`<p class="usage-sum">
  Together <strong>${L(e.sessions)}</strong> sessions, <strong>${X(e.cpu_s)}</strong> of processor, <strong>${_e(e.memory_gib_s)}</strong> GiB · s of memory, <strong>${L(e.tokens_in+e.tokens_out)}</strong> tokens, <strong>${lt(e)}</strong>.
  <span class="muted">List prices of ${o.prices_as_of}, without discounts.${o.unpriced.length?` No price for ${o.unpriced.join(", ")}: set usage.prices.`:""}</span>
</p>`,nt=({label:e,options:o,value:s,onChange:a})=>t`<label class="choice"><span class="muted">${e}</span>
  <select class="select" value=${s} onChange=${r=>a(r.currentTarget.value)}>
    ${o.map(([r,n])=>t`<option key=${r} value=${r} selected=${r===s}>${n}</option>`)}
  </select>
</label>`;var Jt={ready:"ok",loading:"busy",failed:"bad"},mt=[{id:"services",label:"Agents"},{id:"deployed",label:"Deployed"},{id:"usage",label:"Usage"},{id:"manifest",label:"Manifest"}];function Ht(){let e=z.value.query,o=e.get("tab"),s=mt.some(({id:n})=>n===o)?o:"services",a=e.get("q")??"",r=Ce.value;return t`<${q}
    title="Services"
    class="services"
    actions=${s==="services"&&r?.length>1||s==="deployed"?t`<${he} value=${a} onInput=${n=>D({q:n})} placeholder="Filter services" /><a class="button primary" href=${I("/services","new")}><${y} name="plus" />New service</a>`:null}
  >
    <${ae} label="Parts of services" current=${s} onChange=${n=>D({tab:n==="services"?null:n,q:null},{push:!0})} tabs=${mt} />
    ${s==="services"&&t`<${Yt} wanted=${a} />`}
    ${s==="deployed"&&t`<${ot} wanted=${a} />`}
    ${s==="usage"&&t`<${ct} />`}
    ${s==="manifest"&&t`<${Xt} />`}
  <//>`}function Yt({wanted:e}){let o=Ce.value,s=Pe.value??[],[a,r]=$(null),n=J(()=>ut(xe.value??[],u=>u.exit?null:u.endpoint),[xe.value]),m=J(()=>ut(Te.value??[],u=>u.endpoint,u=>u.count),[Te.value]);if(o===null)return t`<${S} rows=${6} label="Loading services" />`;if(!o.length)return t`<${E} icon="services" title="No agent is loaded">
      <p>Put a file such as <code>main.py</code> with a <code>ServiceHost</code> into the folder of agents; it is loaded as soon as it is saved. <code>bulkhead demo</code> shows examples.</p>
    <//>`;let l=o.filter(u=>{let i=s.filter(c=>c.bundle===u.name);return oe(e,[u.name,u.source,u.state,u.error??"",...i.flatMap(c=>[c.path,H(c.path,c.bundle),c.identity,c.class,Ee(c.kind),c.description])])}),d=[...l].sort((u,i)=>!!i.error-!!u.error||u.name.localeCompare(i.name));return t`
    ${!l.length&&t`<${E} icon="search" title="No service matches"><button class="button" onClick=${()=>D({q:null})}>Show all</button><//>`}
    <div class="bundles">${d.map(u=>t`<${Qt} key=${u.name} bundle=${u} paths=${s.filter(i=>i.bundle===u.name)} running=${n} crashed=${m} onCall=${r} />`)}</div>
    ${a&&t`<${tt} endpoint=${a} onClose=${()=>r(null)} />`}
  `}function Qt({bundle:e,paths:o,running:s,crashed:a,onCall:r}){let n=o.filter(d=>d.state==="ready"&&d.path),m=e.error&&n.length?Math.max(...n.map(d=>d.code_generation)):0,l=t`<span class="bundle-title"><span class="bundle-name">${e.name}</span><${P} tone=${Jt[e.state]??"idle"}>${e.state}<//></span>`;return t`<${O} title=${l} flush class="bundle" actions=${t`<span class="bundle-source mono muted" title=${e.source}><bdi>${e.source}</bdi></span><${Y} text=${e.source} title="Copy the path" />`}>
    ${e.error&&t`<div class="bundle-error" role="alert">
      <p><strong>${Ie(e.error)}</strong></p>
      ${m?t`<p>Generation ${m} keeps serving; fix it and save again.</p>`:null}
      ${e.detail&&t`<details open><summary>Traceback</summary><div class="fold-body"><pre tabindex="0">${Ie(e.detail).trimEnd()}</pre><${Y} text=${e.detail} title="Copy the traceback" /></div></details>`}
    </div>`}
    ${n.length>0&&t`<ul class="endpoints">
      ${n.map(d=>t`<${Zt} key=${d.path} endpoint=${d} generation=${e.code_generation} running=${s.get(d.path)??0} crashed=${a.get(d.path)??0} onCall=${r} />`)}
    </ul>`}
    <p class="bundle-foot muted">
      <span>code generation ${e.code_generation}</span>
      ${e.pid!==null&&t`<span title="The process that has imported the program; sessions are forked from it">template pid <span class="mono">${e.pid}</span></span>`}
      <span title="Processes that were forked early and wait for a session">${G(e.parked,"process","processes")} parked</span>
      ${e.threads.length>0&&t`<span class="tone-warn-text">its import leaves ${e.threads.length===1?"a thread":"threads"} running (${e.threads.join(", ")}): each session starts a fresh interpreter</span>`}
    </p>
  <//>`}function Zt({endpoint:e,generation:o,running:s,crashed:a,onCall:r}){let n=at(e.limits,e.limit_sources);return t`<li class="endpoint">
    <div class="endpoint-head">
      <span class="endpoint-path mono" title=${e.path}>${H(e.path,e.bundle)}</span>${je(e.path)&&t`<${Y} text=${e.path} title="Copy the path that it is called at" />`}
      <span class="endpoint-who">as <strong>${e.identity}</strong></span>
      <${P}>${Ee(e.kind)}<//>
      ${e.class&&t`<span class="mono muted">${e.class}</span>`}
    </div>
    <p class="endpoint-about">${e.title&&e.title!==e.identity?t`<strong>${e.title}</strong>${e.description?": ":""}`:""}${e.description}</p>
    <div class="endpoint-foot">
      <a href=${`${I("/sessions")}?q=${encodeURIComponent(H(e.path,e.bundle))}`}><${R} tone=${s?"ok":"idle"}>${G(s,"session")}<//></a>
      ${a>0&&t`<a href=${`${I("/crashes")}?q=${encodeURIComponent(H(e.path,e.bundle))}`}><${R} tone="bad">${G(a,"crash","crashes")}<//></a>`}
      ${e.code_generation!==o&&t`<span class="tone-warn-text">still generation ${e.code_generation}</span>`}
      ${n.length>0&&t`<details class="limits">
        <summary>Limits</summary>
        <table><tbody>${n.map(([m,l,d])=>t`<tr key=${m}><th scope="row">${m}</th><td>${l}</td><td class="muted">${d}</td></tr>`)}</tbody></table>
      </details>`}
      <button type="button" class="button endpoint-call" onClick=${()=>r(e)}>Call into a room…</button>
    </div>
  </li>`}function Xt(){let{data:e,error:o,reload:s}=C(({signal:r})=>k("/.well-known/meshagent-service.json",{signal:r}),[]);if(o)return t`<${x} error=${o} retry=${s} />`;if(!e)return t`<${S} rows=${8} label="Loading the manifest" />`;let a=we(e);return t`<p class="muted">This server's agents as one service. <code>bulkhead service spec</code> prints it for one program, with a name, an image or an address of your own.</p>
    <${O} title="meshagent.yaml" flush actions=${t`<${Y} label="Copy" title="Copy the manifest" text=${a} />`}><pre class="manifest" tabindex="0">${a}</pre><//>`}function ut(e,o,s=()=>1){let a=new Map;for(let r of e){let n=o(r);n!==null&&a.set(n,(a.get(n)??0)+s(r))}return a}var $t=`ports:
  - num: "*"
    liveness: /
    endpoints:
      - path: /greeter
        meshagent:
          identity: greeter
container:
  image: registry.example.org/greeter:1
`,pt=e=>`version: v1
kind: ${e}
metadata:
  name: greeter
`,Re=`${pt("Service")}${$t}`,dt=`${pt("ServiceTemplate")}variables:
  - name: tone
    title: Tone
    enum: [brief, friendly]
  - name: owner
    title: Who answers for it
    type: email
  - name: search_key
    title: Key of the search
    obscure: true
    optional: true
${$t}  environment:
    - name: TONE
      value: "{tone}"
    - name: OWNER
      value: "{owner}"
    - name: SEARCH_KEY
      value: "{search_key}"
`;function es(){let[e,o]=$({text:Re,at:0}),s=z.value.query.get("room")??"",a=async(n,m)=>{let l=await qe(m,n);T({text:`${l.metadata.name} is deployed.`,tone:"ok"}),te(I("/services",l.id))},r=t`<button type="button" class="button" aria-pressed=${String(e.text===Re)} onClick=${()=>o({text:Re,at:e.at+1})}>A service</button>
    <button type="button" class="button" aria-pressed=${String(e.text===dt)} onClick=${()=>o({text:dt,at:e.at+1})}>A template</button>`;return t`<${q} title="New service" class="services" back=${{href:`${I("/services")}?tab=deployed`,label:"Services"}} meta=${t`<span class="muted">Begin with</span> ${r}`}>
    <${ve} key=${e.at} start=${{text:e.text,room:s}} action="Deploy" onSend=${a}><a class="button" href=${`${I("/services")}?tab=deployed`}>Cancel</a><//>
  <//>`}var ts={server:"Server",supervisor:"Sessions",limits:"Limits",log:"Log"};function ft(){let e=z.value.query,o=e.get("q")??"",s=e.get("changed")==="1",{data:a,error:r,reload:n}=C(({signal:d})=>k("/settings",{signal:d}),[]),m=a?.settings??[],l=J(()=>{let d=new Map;for(let u of m){if(s&&u.source==="default"||!oe(o,[u.name,u.env,u.help,u.source,u.secret?"":String(u.value)]))continue;let i=u.name.split(".")[0];d.set(i,[...d.get(i)??[],u])}return[...d]},[a,o,s]);return t`
    ${a&&t`<div class="toolbar">
      <${he} value=${o} onInput=${d=>D({q:d})} placeholder="Filter settings" />
      <label class="check"><input type="checkbox" checked=${s} onChange=${d=>D({changed:d.currentTarget.checked?"1":null})} /> only changed</label>
    </div>`}
    ${r&&!a&&t`<${x} error=${r} retry=${n} />`}
    ${!a&&!r&&t`<${S} rows=${10} label="Loading settings" />`}
    ${a&&t`<p class="muted">Flags win over the environment, the environment over <code>bulkhead.toml</code>, that over the defaults. They are read when the server starts.</p>`}
    ${a&&!l.length&&t`<${E} icon="search" title=${o?"No setting matches":"Everything is at its default"}><button class="button" onClick=${()=>D({q:null,changed:null})}>Show all</button><//>`}
    ${l.map(([d,u])=>t`<${O} key=${d} title=${ts[d]??d} flush>
        <ul class="settings-list">${u.map(i=>t`<${ss} key=${i.name} setting=${i} />`)}</ul>
      <//>`)}
  `}function ss({setting:e}){let{name:o,env:s,value:a,source:r,help:n,secret:m}=e,[l,...d]=o.split(".");return t`<li class="setting">
    <div class="setting-name"><span class="mono"><span class="muted">${d.length?`${l}.`:""}</span>${d.length?d.join("."):o}</span><p class="setting-help muted">${n}</p></div>
    <div class="setting-value mono">${os(a,m)}</div>
    <div class="setting-source"><${P} tone=${r==="default"?"":"ok"}>${r===`env ${s}`?"environment":r}<//><span class="setting-env mono muted">${s}</span><${Y} text=${s} title=${`Copy ${s}`} /></div>
  </li>`}function os(e,o){return e===""||e===null?t`<span class="muted">${o?"not set":"empty"}</span>`:o?t`<span title="A secret; it never leaves the server">•••</span>`:e===!0||e===!1?e?"yes":"no":String(e)}function ke({what:e,value:o,onClose:s}){let a=V(null);return W(()=>a.current.focus(),[o]),t`<div class="notice tone-ok once" role="status">
    <${y} name="check" />
    <div class="once-body">
      <p><strong>${e}</strong> is shown this once. Copy it now; the server does not keep it in a form that it could show again.</p>
      <div class="once-value"><input ref=${a} class="input mono" readonly aria-label=${e} value=${o} onFocus=${r=>r.currentTarget.select()} /><${Y} text=${o} label="Copy" /></div>
    </div>
    <button type="button" class="button icon-only quiet" aria-label="I have it: hide it" title="I have it: hide it" onClick=${s}><${y} name="close" size=${14} /></button>
  </div>`}function ht(){let{data:e,error:o,reload:s}=C(async({signal:i})=>k(await _("api-keys"),{signal:i}),[]),[a,r]=$(!1),[n,m]=$(null),l=async i=>{await U({title:`Delete the API key ${i.name}?`,text:"It is refused at once, and so are tokens that were signed with it.",action:"Delete",tone:"bad"})&&await _("api-keys",i.id).then(Z).then(()=>(T({text:`${i.name} is deleted.`,tone:"ok"}),s()),j)},d=i=>{r(!1),m(i),s()},u=e?.keys??[];return t`
    <p class="muted">With a key, commands and programs elsewhere may do what you may do here: <code>bulkhead service create --url … </code>with <code>BULKHEAD_API_TOKEN</code>, or MeshAgent's clients with <code>MESHAGENT_API_KEY</code>.</p>
    ${o&&!e&&t`<${x} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${S} rows=${3} label="Loading API keys" />`}
    ${n&&t`<${ke} what=${`The API key ${n.name}`} value=${n.value} onClose=${()=>m(null)} />`}
    ${e&&t`<${O} title="API keys" flush actions=${t`<button type="button" class="button primary" onClick=${()=>r(!0)}><${y} name="plus" />New key</button>`}>
      ${u.length?t`<ul class="kept-list">
              ${u.map(i=>t`<li key=${i.id} class="kept">
                  <div class="kept-what"><strong>${i.name}</strong>${i.description&&t`<p class="muted">${i.description}</p>`}</div>
                  <div class="kept-when muted mono" title="Its id, which tokens that it signed name">${i.id}</div>
                  <div class="kept-do"><button type="button" class="button small danger" aria-label=${`Delete ${i.name}`} onClick=${()=>l(i)}>Delete…</button></div>
                </li>`)}
            </ul>`:t`<${E} icon="settings" title="No API key"><p>Your own processes on this machine need none.</p><//>`}
    <//>`}
    ${a&&t`<${as} onMade=${d} onClose=${()=>r(!1)} />`}
  `}function as({onMade:e,onClose:o}){let[s,a]=$(""),[r,n]=$("");return t`<${re} title="New API key" action="Make it" busyText="Making…" onSend=${async()=>{if(!s.trim())throw{title:"Give it a name",detail:"for whom or what it is, such as ci"};e(await M(await _("api-keys"),{name:s.trim(),description:r.trim()}))}} onClose=${o}>
    <${A} name="key-name" label="Name"><input id="key-name" class="input" value=${s} onInput=${l=>a(l.currentTarget.value)} /><//>
    <${A} name="key-about" label="Description" hint="What it is for, for whoever wonders later."><input id="key-about" class="input" value=${r} onInput=${l=>n(l.currentTarget.value)} /><//>
  <//>`}var rs={keys:"Variables: names with a value each",docker:"Registry: a server, a user and a password",text:"Text: one value"},ns=[["server","Server","text","registry.example.org"],["username","User","text",""],["password","Password","password",""],["email","E-mail","text","optional"]];function bt(){let{data:e,error:o,reload:s}=C(async({signal:c})=>k(await _("secrets"),{signal:c}),[]),[a,r]=$(null),[n,m]=$([]),l=async c=>{await U({title:`Delete the secret ${c.name}?`,text:"Its value is gone for good. A secret that a service is given cannot be deleted.",action:"Delete",tone:"bad"})&&await _("secrets",c.id).then(Z).then(()=>(T({text:`${c.name} is deleted.`,tone:"ok"}),s()),j)},d=(c,v)=>{r(null),m(v),T({text:`${c} is set.`,tone:"ok"}),s()},u=()=>Ue(n).then(()=>(T({text:"They have the newest values.",tone:"ok"}),m([])),j),i=e?.secrets??[];return t`
    <p class="muted">Services are given secrets by name: as variables, as one value, or to pull their image. Values are kept encrypted, are shown nowhere, and are taken out of every log.</p>
    ${o&&!e&&t`<${x} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${S} rows=${4} label="Loading secrets" />`}
    ${n.length>0&&t`<div class="notice tone-warn" role="status">
      <${y} name="reload" />
      <p>${G(n.length,"service goes","services go")} on with the older value: ${n.join(", ")}. Where they run they start anew with the newest.</p>
      <button type="button" class="button small" onClick=${u}>Update ${n.length===1?"it":"them"}</button>
    </div>`}
    ${e&&t`<${O} title="Secrets" flush actions=${t`<button type="button" class="button primary" onClick=${()=>r({})}><${y} name="plus" />New secret</button>`}>
      ${i.length?t`<ul class="kept-list">
              ${i.map(c=>t`<li key=${c.id} class="kept">
                  <div class="kept-what"><strong class="mono">${c.name}</strong> <${P}>${c.type}<//>
                    ${c.type==="keys"&&t`<p class="muted mono">${Object.keys(c.data).join(", ")}</p>`}
                  </div>
                  <div class="kept-when muted">version ${c.version} · ${pe(c.updated_at*1e3,ce.value)}</div>
                  <div class="kept-do"><button type="button" class="button small" onClick=${()=>r(c)}>New value…</button><button type="button" class="button small danger" aria-label=${`Delete ${c.name}`} onClick=${()=>l(c)}>Delete…</button></div>
                </li>`)}
            </ul>`:t`<${E} icon="settings" title="No secret is kept"><p>Keep keys and passwords here instead of in manifests. <code>bulkhead secret set NAME</code> does the same.</p><//>`}
    <//>`}
    ${a&&t`<${is} secret=${a} onSaved=${d} onClose=${()=>r(null)} />`}
  `}function is({secret:e,onSaved:o,onClose:s}){let a=!e.id,[r,n]=$(e.name??""),[m,l]=$(e.type??"keys"),[d,u]=$(""),[i,c]=$(()=>Object.keys(e.data??{}).map(b=>[b,""]).concat(a?[["",""]]:[])),[v,p]=$({}),w=async()=>{let b={name:r.trim(),type:m};if(!b.name)throw{title:"Give it a name",detail:"services ask for the secret by it"};if(m==="text")b.data_base64=ls(d);else if(m==="docker")b.data={email:"",...v};else if(b.data=Object.fromEntries(i.map(([g,F])=>[g.trim(),F]).filter(([g])=>g)),!Object.keys(b.data).length)throw{title:"Name a variable",detail:"such as SEARCH_KEY"};let N=await _("secrets",...a?[]:[e.id]),f=await(a?M:$e)(N,b);o(b.name,f.behind??[])},h=(b,N,f)=>c(i.map((g,F)=>F===b?[N,f]:g));return t`<${re} title=${a?"New secret":`New value of ${e.name}`} action="Set" onSend=${w} onClose=${s}>
    <${A} name="secret-name" label="Name"><input id="secret-name" class="input mono" value=${r} spellcheck=${!1} onInput=${b=>n(b.currentTarget.value)} /><//>
    ${a&&t`<${A} name="secret-type" label="Kind"><select id="secret-type" class="select" value=${m} onChange=${b=>l(b.currentTarget.value)}>${Object.entries(rs).map(([b,N])=>t`<option key=${b} value=${b}>${N}</option>`)}</select><//>`}
    ${m==="text"&&t`<${A} name="secret-text" label="Value"><input id="secret-text" class="input mono" type="password" autocomplete="new-password" value=${d} onInput=${b=>u(b.currentTarget.value)} /><//>`}
    ${m==="docker"&&ns.map(([b,N,f,g])=>t`<${A} key=${b} name=${`secret-${b}`} label=${N}><input id=${`secret-${b}`} class="input mono" type=${f} autocomplete=${f==="password"?"new-password":"off"} placeholder=${g} value=${v[b]??""} onInput=${F=>p({...v,[b]:F.currentTarget.value})} /><//>`)}
    ${m==="keys"&&t`<fieldset class="pairs"><legend>Variables</legend>
      ${i.map(([b,N],f)=>t`<div key=${f} class="pair">
          <input class="input mono" aria-label=${`Name of variable ${f+1}`} placeholder="NAME" spellcheck=${!1} value=${b} onInput=${g=>h(f,g.currentTarget.value,N)} />
          <input class="input mono" type="password" autocomplete="new-password" aria-label=${`Value of variable ${f+1}`} placeholder="value" value=${N} onInput=${g=>h(f,b,g.currentTarget.value)} />
          <button type="button" class="button icon-only quiet" aria-label=${`Remove variable ${f+1}`} onClick=${()=>c(i.filter((g,F)=>F!==f))}><${y} name="close" size=${14} /></button>
        </div>`)}
      <button type="button" class="button small" onClick=${()=>c([...i,["",""]])}><${y} name="plus" size=${14} />Another</button>
    </fieldset>`}
    ${!a&&m!=="text"&&t`<p class="hint muted">All values are set anew; what is left empty is empty then.</p>`}
  <//>`}function ls(e){let o="";for(let s of new TextEncoder().encode(e))o+=String.fromCharCode(s);return btoa(o)}var gt={"room.started":"when a room opens","room.ended":"when a room has closed"},cs=2,ms={waiting:"busy",delivered:"ok",failed:"bad"};function vt(){let{data:e,error:o,reload:s}=C(async({signal:i})=>k(await _("webhooks"),{signal:i}),[]),[a,r]=$(null),[n,m]=$(null),l=async i=>{let c=`${i.url} is told nothing more; what waits for it is not sent.`;await U({title:`Delete the webhook ${i.name}?`,text:c,action:"Delete",tone:"bad"})&&await _("webhooks",i.id).then(Z).then(()=>(T({text:`${i.name} is deleted.`,tone:"ok"}),s()),j)},d=i=>{r(null),i.secret?m(i):T({text:`${i.name} is changed.`,tone:"ok"}),s()},u=e?.webhooks??[];return t`
    <p class="muted">This server posts what happens to addresses of yours, signed, and again for an hour where it is not taken.</p>
    ${o&&!e&&t`<${x} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${S} rows=${3} label="Loading webhooks" />`}
    ${n&&t`<${ke} what=${`The secret that signs ${n.name}`} value=${n.secret} onClose=${()=>m(null)} />`}
    ${e&&t`<div class="toolbar"><button type="button" class="button primary" onClick=${()=>r({})}><${y} name="plus" />New webhook</button></div>`}
    ${e&&!u.length&&t`<${E} icon="out" title="Nobody is told"><p>A webhook hears when rooms open and close.</p><//>`}
    ${u.map(i=>t`<${us} key=${i.id} hook=${i} onEdit=${()=>r(i)} onRemove=${()=>l(i)} />`)}
    ${a&&t`<${$s} hook=${a} onSaved=${d} onClose=${()=>r(null)} />`}
  `}function us({hook:e,onEdit:o,onRemove:s}){let a=async({signal:i})=>k(`${await _("webhooks",e.id)}/deliveries`,{signal:i}),{data:r,error:n,reload:m}=C(a,[e.id],{every_s:cs}),l=i=>_("webhooks",e.id,"deliveries",i.id).then(c=>M(c)).then(()=>(T({text:`${i.event} is sent again.`,tone:"ok"}),m()),j),d=r?.deliveries??[],u=t`<span class="hook-title">${e.name} ${e.events.map(i=>t`<${P} key=${i}>${i}<//>`)}</span>`;return t`<${O}
    title=${u}
    flush
    class="hook"
    actions=${t`<button type="button" class="button small" onClick=${o} aria-label=${`Edit ${e.name}`}>Edit…</button><button type="button" class="button small danger" onClick=${s} aria-label=${`Delete ${e.name}`}>Delete…</button>`}
  >
    <p class="hook-url mono">${e.url}</p>
    ${e.description&&t`<p class="hook-about muted">${e.description}</p>`}
    ${n&&!r&&t`<${x} error=${n} retry=${m} />`}
    ${r&&!d.length&&t`<p class="hook-none muted">Nothing was sent yet.</p>`}
    ${d.length>0&&t`<ul class="deliveries" aria-label=${`Deliveries to ${e.name}`}>
      ${d.map(i=>t`<li key=${i.id} class="delivery">
          <${R} tone=${ms[i.state]}>${i.state}<//>
          <span class="mono">${i.event}</span>
          <span class="muted" title=${Be(i.created_at)}>${pe(i.created_at,ce.value)}</span>
          <span class="delivery-said">${ds(i,ce.value)}</span>
          <button type="button" class="button small" aria-label=${`Send ${i.event} again`} onClick=${()=>l(i)}>Send again</button>
        </li>`)}
    </ul>`}
  <//>`}function ds(e,o){let s=G(e.attempts,"attempt"),a=e.error||(e.status?`answered ${e.status}`:"no answer");if(e.state==="delivered")return`answered ${e.status}${e.attempts>1?` after ${s}`:""}`;if(e.state==="failed")return`given up after ${s}: ${a}`;let r=Math.max(0,Math.round(e.next_at-o/1e3));return e.attempts?`${a}; ${r?`again in ${r} s`:"again now"} (${s} made)`:"on its way"}function $s({hook:e,onSaved:o,onClose:s}){let a=!e.id,[r,n]=$(e.name??""),[m,l]=$(e.url??""),[d,u]=$(e.description??""),[i,c]=$(e.events??Object.keys(gt)),[v,p]=$(e.payload?JSON.stringify(e.payload):""),[w,h]=$("");W(()=>{let f="";try{let g=v.trim()?JSON.parse(v):null;g!==null&&(typeof g!="object"||Array.isArray(g))&&(f='This is to be an object, such as {"team": "support"}.')}catch(g){f=`This is not JSON: ${g.message}.`}h(f)},[v]);let b=async()=>{if(!r.trim())throw{title:"Give it a name",detail:"whom it tells"};if(!/^https?:\/\/[^/\s]+/.test(m.trim()))throw{title:"Say where to post to",detail:"an address that begins with http:// or https://"};if(!i.length)throw{title:"Choose what it hears of"};if(w)throw{title:"What is sent along cannot be used",detail:w};let f={name:r.trim(),url:m.trim(),description:d.trim(),events:i,action:e.action??"",payload:v.trim()?JSON.parse(v):null},g=await _("webhooks",...a?[]:[e.id]);o(await(a?M:$e)(g,f))},N=f=>c(i.includes(f)?i.filter(g=>g!==f):[...i,f]);return t`<${re} title=${a?"New webhook":`Edit ${e.name}`} action=${a?"Make it":"Save"} onSend=${b} onClose=${s}>
    <${A} name="hook-name" label="Name"><input id="hook-name" class="input" value=${r} onInput=${f=>n(f.currentTarget.value)} /><//>
    <${A} name="hook-url" label="Address" hint="It is posted JSON, and is to answer 2xx."><input id="hook-url" class="input mono" type="url" inputmode="url" placeholder="https://example.org/rooms" aria-describedby="hook-url-hint" value=${m} onInput=${f=>l(f.currentTarget.value)} /><//>
    <fieldset class="choices"><legend>It hears</legend>
      ${Object.entries(gt).map(([f,g])=>t`<label key=${f} class="check"><input type="checkbox" checked=${i.includes(f)} onChange=${()=>N(f)} /> <span class="mono">${f}</span> <span class="muted">${g}</span></label>`)}
    </fieldset>
    <${A} name="hook-about" label="Description"><input id="hook-about" class="input" value=${d} onInput=${f=>u(f.currentTarget.value)} /><//>
    <${A} name="hook-payload" label="Sent along" error=${w} hint="An object that is merged into the data of each; empty for none."><input id="hook-payload" class="input mono" spellcheck=${!1} placeholder="{}" aria-invalid=${w?"true":void 0} aria-describedby="hook-payload-hint" value=${v} onInput=${f=>p(f.currentTarget.value)} /><//>
  <//>`}var De=[{id:"settings",label:"Settings",body:ft},{id:"secrets",label:"Secrets",body:bt},{id:"keys",label:"API keys",body:ht},{id:"webhooks",label:"Webhooks",body:vt}];function ps(){let e=z.value.query.get("tab"),o=De.find(({id:s})=>s===e)??De[0];return t`<${q} title="Settings" class="settings">
    <${ae} label="Parts of settings" current=${o.id} tabs=${De} onChange=${s=>D({tab:s==="settings"?null:s,q:null,changed:null},{push:!0})} />
    <${o.body} />
  <//>`}export{es as NewService,Mt as Service,Ht as Services,ps as Settings};
