import{a as Ne}from"./chunk-TC3MRPU3.js";import{a as _,b as re,c as qe,d as Ue,e as Ve,f as ze,g as Ge,h as Je,i as He,k as ee,m as Ye,n as Qe}from"./chunk-LBRAIQQB.js";import{a as C}from"./chunk-GKXTGCYH.js";import{f as be,g as ge,h as ae}from"./chunk-N6BPB5X4.js";import{a as ne,b as A}from"./chunk-PGUJX7SX.js";import{A as T,B,a as w,b as E,c as S,d as x,e as q,f as O,h as z,l as I,m as te,n as D,o as je,r as H,t as Y,u as fe,v as Ke,w as U,y as he,z as oe}from"./chunk-UJIFYHRV.js";import{$ as Fe,B as Ce,E as Te,F as Pe,G as _e,H as le,K as ce,Q as se,S as Be,T as L,U as G,V as Ee,W as X,Z as pe,ba as We,e as $,ea as Ie,f as K,g as ue,h as V,ha as R,i as J,ia as j,o as t,p as de,s as k,u as P,v as $e,w as Z}from"./chunk-EIUZ374S.js";function Ze({service:e,onChanged:o}){let s=async({signal:b})=>k(`${await re(e.room,e.id)}/revisions`,{signal:b}),{data:a,error:n,reload:r}=C(s,[e.id,e.revision]),[u,c]=$(null),[d,m]=$(null);if(n&&!a)return t`<div class="session-pane"><${x} error=${n} retry=${r} /></div>`;if(!a)return t`<div class="session-pane"><${S} rows=${5} label="Loading revisions" /></div>`;let i=a.revisions,l=i.find(b=>b.revision===u)??i[0],g=i.filter(b=>b.revision<l.revision),p=g.find(b=>b.revision===d)??g[0],y=async()=>{let b=`Its manifest, its image and the versions of its secrets become those of revision ${l.revision} again, as a new revision. ${e.room?"Its room follows at once.":"Rooms follow when they open next."}`;if(await U({title:`Roll ${e.name} back to revision ${l.revision}?`,text:b,action:"Roll back"}))try{await P(`${await re(e.room,e.id)}/rollback`,{revision:l.revision}),T({text:`${e.name} is back at revision ${l.revision}.`,tone:"ok"}),c(null),o()}catch(f){B(f)}};return t`<div class="session-pane revisions">
    <ul class="revision-list" aria-label="Revisions, newest first">
      ${i.map(b=>t`<li key=${b.revision}><button type="button" class=${de("revision",b===l&&"chosen")} aria-pressed=${String(b===l)} onClick=${()=>(c(b.revision),m(null))}>
          <strong>${b.revision}</strong><span>${b.what}${b.is_current&&t` <${j} tone="ok">in force<//>`}</span>
          <span class="muted revision-by"><${fe} at=${b.at} /> ${b.by&&`by ${b.by}`}</span>
        </button></li>`)}
    </ul>
    <div class="revision-shown">
      <div class="toolbar">
        <span>Revision ${l.revision}${p?" against":", the oldest that is kept"}</span>
        ${p&&t`<select class="select" aria-label="Compared with" value=${String(p.revision)} onChange=${b=>m(Number(b.currentTarget.value))}>${g.map(b=>t`<option key=${b.revision} value=${String(b.revision)}>${b.revision}: ${b.what}</option>`)}</select>`}
        <span class="spread" />
        ${!l.is_current&&t`<button type="button" class="button" onClick=${y}><${w} name="reload" size=${14} />Roll back to ${l.revision}…</button>`}
      </div>
      ${l.image_digest&&t`<p class="muted">Its image was <code>${l.image_digest}</code></p>`}
      ${p&&t`<${Ae} service=${e} old=${p.revision} new=${l.revision} />`}
    </div>
  </div>`}function Ae({service:e,old:o,new:s}){let a=async({signal:c})=>k(`${await re(e.room,e.id)}/diff?old=${o}&new=${s}`,{signal:c}),{data:n,error:r,reload:u}=C(a,[e.id,o,s]);return r&&!n?t`<${x} error=${r} retry=${u} />`:n?n.diff?t`<pre class="code diff" tabindex="0" aria-label=${`What revision ${s} changed`}>${n.diff.trimEnd().split(`
`).filter(c=>!/^(---|\+\+\+) /.test(c)).map((c,d)=>t`<span key=${d} class=${Et[c[0]]??""}>${c}${`
`}</span>`)}</pre>`:t`<p class="muted">The manifests are alike; versions of secrets differ.</p>`:t`<${S} rows=${4} label="Comparing" />`}var Et={"+":"added","-":"taken","@":"hunk"};var It=250;function Xe(e){let[o,s]=$({said:null,of:"",error:null}),a=JSON.stringify(e),n=V(!0);return K(()=>{let r=new AbortController,u=setTimeout(async()=>{try{let c=await P(await _("manifests","check"),e,{signal:r.signal});r.signal.aborted||s({said:c,of:a,error:null})}catch(c){r.signal.aborted||s(d=>({...d,of:a,error:c}))}},n.current?0:It);return n.current=!1,()=>{clearTimeout(u),r.abort()}},[a]),{said:o.said,isOld:o.of!==a,error:o.error}}var Nt={error:"bad",warning:"warn",note:"busy"},At=5e3;function et({text:e,onInput:o,check:s,label:a="Manifest"}){let n=V(null),r=V(null),u=V(!1),c=(s.said?.problems??[]).filter(p=>!p.path.startsWith("values.")),d=J(()=>{let p=new Map;for(let y of[...c].reverse())p.set(y.line,y.severity);return p},[s.said]),m=Math.min(At,e.split(`
`).length),i=()=>r.current.scrollTop=n.current.scrollTop;ue(i,[m]);let l=({line:p,column:y})=>{let f=e.split(`
`).slice(0,p-1).reduce((h,v)=>h+v.length+1,0)+y-1;n.current.focus(),n.current.setSelectionRange(f,f);let N=parseFloat(getComputedStyle(n.current).lineHeight);n.current.scrollTop=Math.max(0,(p-4)*N)},g=p=>{p.key==="Escape"?u.current=!0:p.key==="Tab"&&!p.shiftKey&&!u.current&&!p.ctrlKey&&!p.altKey?(p.preventDefault(),document.execCommand("insertText",!1,"  ")):p.key!=="Shift"&&(u.current=!1)};return t`<div class="editor">
    <div class="editor-frame">
      <div class="editor-gutter" ref=${r} aria-hidden="true">${Array.from({length:m},(p,y)=>t`<span key=${y} class=${de(d.has(y+1)&&`mark-${d.get(y+1)}`)}>${y+1}</span>`)}</div>
      <textarea ref=${n} class="editor-text" aria-label=${a} aria-describedby="editor-said" aria-invalid=${c.some(p=>p.severity==="error")?"true":void 0} spellcheck=${!1} autocapitalize="off" autocomplete="off" wrap="off" value=${e} onInput=${p=>o(p.currentTarget.value)} onScroll=${i} onKeyDown=${g}></textarea>
    </div>
    <div id="editor-said" class="editor-said" role="status">
      ${Ot(s,c)}
      ${s.said?.mended&&t`<button type="button" class="button small" onClick=${()=>o(s.said.mended)}><${w} name="check" size=${14} />Mend what is sure</button>`}
    </div>
    ${c.length>0&&t`<ul class="problems" aria-label="What is wrong">
      ${c.map((p,y)=>t`<li key=${y}><button type="button" class="problem" onClick=${()=>l(p)}>
          <span class="problem-at mono">${p.line}:${p.column}</span><${R} tone=${Nt[p.severity]}>${p.severity}<//>
          <span class="problem-text">${p.path&&t`<span class="mono">${p.path}</span>: `}${p.text}</span>
        </button></li>`)}
    </ul>`}
  </div>`}function Ot({said:e,error:o,isOld:s},a){if(o)return t`<${R} tone="warn">It could not be looked at: ${o.message}<//>`;if(!e)return t`<${R} tone="busy">Looking at it…<//>`;let n=a.filter(u=>u.severity==="error").length,r=s?"…":"";return n?t`<${R} tone="bad">${G(n,"error")}${r}<//>`:t`<${R} tone="ok">${e.kind==="ServiceTemplate"?"A template that can be used":"A service that can be used"}${r}<//>`}function tt({variables:e,values:o,onChange:s,problems:a,touched:n,onTouch:r,isTried:u}){return e.length?t`<div class="form template-form">
    ${e.map(c=>{let d=a.find(({path:p})=>p===`values.${c.name}`),m=d&&(u||n.has(c.name))?d.text:"",i=`value-${c.name}`,l={id:i,"aria-invalid":m?"true":void 0,"aria-describedby":m||c.description?`${i}-hint`:void 0,"aria-required":c.is_optional?void 0:"true",value:o[c.name]??"",onBlur:()=>r(c.name)},g=p=>s({...o,[c.name]:p.currentTarget.value});return t`<${A} key=${c.name} name=${i} label=${t`${c.title||c.name}${c.is_optional&&t` <span class="muted">optional</span>`}`} hint=${c.description||" "} error=${m}>${Rt(c,l,g)}<//>`})}
  </div>`:t`<p class="muted">The template takes no values.</p>`}function Rt(e,o,s){return e.words.length?t`<select class="select" ...${o} onChange=${s}>
      <option value="">${e.is_optional?"(none)":"Choose…"}</option>
      ${e.words.map(a=>t`<option key=${a} value=${a}>${a}</option>`)}
    </select>`:e.is_obscure?t`<input class="input mono" type="password" autocomplete="new-password" ...${o} onInput=${s} />`:e.kind==="email"?t`<input class="input" type="email" autocomplete="email" placeholder="ada@example.org" ...${o} onInput=${s} />`:t`<input class="input" type="text" spellcheck=${!1} ...${o} onInput=${s} />`}function ve({start:e,action:o,onSend:s,notice:a=null,fixedRoom:n=!1,children:r}){let[u,c]=$(e.text),[d,m]=$(e.values??{}),[i,l]=$(new Set),[g,p]=$(!1),[y,b]=$(e.room??""),[f,N]=$(!e.room),[h,v]=$(!1),[M,Se]=$(null),[xe,Le]=$(/^kind:\s*["']?ServiceTemplate/m.test(e.text)),Me=Dt(d),F=Xe({text:u,creating:!n,values:xe?Me:null});K(()=>{F.said?.variables.length?Le(!0):F.said?.kind==="Service"&&Le(!1)},[F.said]),K(()=>{if(u===e.text)return;let W=me=>me.preventDefault();return addEventListener("beforeunload",W),()=>removeEventListener("beforeunload",W)},[u]);let Ct=async W=>{if(W.preventDefault(),p(!0),Se(null),F.isOld||!F.said)return;if(!F.said.valid)return document.querySelector('.write [aria-invalid="true"]')?.focus();let me=f||n?"":ge(y.trim());if(me)return Se({title:me});v(!0);try{await s(xe?{template:u,values:Me}:F.said.manifest,f?"":y.trim())}catch(_t){Se(_t)}v(!1)},Tt=F.said?.variables??[];return t`<form class="write" onSubmit=${Ct} novalidate autocomplete="off">
    ${!n&&t`<${O} title="Where it runs">
      <div class="where" role="radiogroup" aria-label="Where it runs">
        <label class="check"><input type="radio" name="where" checked=${f} onChange=${()=>N(!0)} /> In every room, from its next opening</label>
        <label class="check"><input type="radio" name="where" checked=${!f} onChange=${()=>N(!1)} /> In one room, at once where it is open</label>
        ${!f&&t`<${A} name="service-room" label="Room"><input id="service-room" class="input" list="rooms-known" spellcheck=${!1} value=${y} onInput=${W=>b(W.currentTarget.value)} />
          <datalist id="rooms-known">${(le.value??[]).map(W=>t`<option key=${W.name} value=${W.name} />`)}</datalist><//>`}
      </div>
    <//>`}
    <${O} title="Manifest"><${et} text=${u} onInput=${c} check=${F} /><//>
    ${xe&&t`<${O} title="Values"><${tt} variables=${Tt} values=${d} onChange=${m} problems=${F.said?.problems??[]} touched=${i} onTouch=${W=>l(new Set([...i,W]))} isTried=${g} /><//>`}
    ${M&&t`<p class="form-error" role="alert">${M.title??M.message}${M.detail?`: ${M.detail}`:""}</p>`}
    ${a}
    <div class="buttons"><button type="submit" class="button primary" disabled=${h||F.isOld}>${h?"Saving…":o}</button>${r}</div>
  </form>`}function Dt(e){return Object.fromEntries(Object.entries(e).filter(([,o])=>o!==""))}var Lt=/^[A-Za-z_/](?:[A-Za-z0-9_./@ -]|:(?=[A-Za-z0-9_./@-]))*$/,Mt=/^(?:y|n|yes|no|on|off|true|false|null|~|nan|inf|[-+]?\.?inf)$/i;function we(e){return`${Oe(e,"").join(`
`)}
`}function Oe(e,o){return Array.isArray(e)?e.flatMap(s=>{if(!st(s))return[`${o}- ${ot(s)}`];let[a,...n]=Oe(s,`${o}  `);return[`${o}- ${a.slice(o.length+2)}`,...n]}):Object.entries(e).flatMap(([s,a])=>Pt(a)?[`${o}${ye(s)}: ${a.endsWith(`
`)?"|":"|-"}`,...a.trimEnd().split(`
`).map(n=>n?`${o}  ${n}`:"")]:st(a)?[`${o}${ye(s)}:`,...Oe(a,`${o}  `)]:[`${o}${ye(s)}: ${ot(a)}`])}var Pt=e=>typeof e=="string"&&/^\S.*\n/.test(e)&&!/[\t\r\u0080-\u00a0\u2028\u2029\ufeff]|[ ]\n|\n\n$|\s$(?<!\S\n)/.test(e),st=e=>e!==null&&typeof e=="object"&&Object.keys(e).length>0;function ot(e){return Array.isArray(e)?"[]":e!==null&&typeof e=="object"?"{}":typeof e=="string"?ye(e):String(e)}function ye(e){return Lt.test(e)&&!Mt.test(e)&&e===e.trim()?e:JSON.stringify(e)}var jt=2,ie={href:`${I("/services")}?tab=deployed`,label:"Services"},at=[{id:"state",label:"State"},{id:"log",label:"Log"},{id:"revisions",label:"Revisions"},{id:"manifest",label:"Manifest"}],nt="meshagent.service.template.yaml",Bt="meshagent.service.template.values";function Ft({id:e}){let{data:o,error:s,reload:a}=C(async({signal:r})=>k(await _("service-states"),{signal:r}),[],{every_s:jt});if(s&&!o)return t`<${q} title="Service" back=${ie}><${x} error=${s} retry=${a} /><//>`;if(!o)return t`<${q} title="Service" back=${ie}><${S} rows=${6} /><//>`;let n=o.services.find(r=>r.id===e);return n?t`<${Wt} service=${n} onChanged=${a} />`:t`<${q} title="Service" back=${ie}><${E} icon="services" title="No such service"><p>It was deleted, or never was.</p><p><a class="button" href=${ie.href}>All services</a></p><//><//>`}function Wt({service:e,onChanged:o}){let s=z.value.query.get("tab"),a=at.some(m=>m.id===s)?s:"state",n=Object.keys(e.states).sort(),{tone:r,word:u,sentence:c}=ee(e),d=m=>D({tab:m==="state"?null:m},{push:!0});return t`<${q}
    title=${e.name}
    back=${ie}
    class="services service"
    meta=${t`<${R} tone=${r}>${u}<//><span>${e.room?t`in <a href=${I("/rooms",e.room)}>${e.room}</a>`:"in every room"}</span><${j}>revision ${e.revision}<//>`}
    actions=${t`<${Kt} service=${e} onChanged=${o} />`}
  >
    <section class="card flush session-more">
      <${ae} tabs=${at} current=${a} onChange=${d} label="Parts of the service" />
      ${a==="state"&&t`<div class="session-pane">
        ${n.map(m=>t`<${Ye} key=${m} service=${e} room=${m} state=${e.states[m]} />`)}
        ${!n.length&&t`<${E} icon="services" title=${e.is_enabled?"It runs in no room":"It is disabled"}><p>${e.is_enabled?c:"Enable it, and rooms start it again."}</p><//>`}
      </div>`}
      ${a==="log"&&t`<${Qe} service=${e} rooms=${n} />`}
      ${a==="revisions"&&t`<${Ze} service=${e} onChanged=${o} />`}
      ${a==="manifest"&&t`<${qt} key=${e.id} service=${e} onChanged=${o} />`}
    </section>
  <//>`}function Kt({service:e,onChanged:o}){let[s,a]=$(!1),n=c=>async()=>{a(!0),await c().catch(B),a(!1)},r=n(async()=>{let{name:c}=e;e.is_enabled&&!await U({title:`Disable ${c}?`,text:"Where it runs it ends at once, in every room. It is kept, and can be enabled again.",action:"Disable"})||(await Je(e,m=>({...m,enabled:!e.is_enabled})),T({text:`${c} is ${e.is_enabled?"disabled":"enabled"}.`,tone:"ok"}),o())}),u=n(async()=>{await U({title:`Delete ${e.name}?`,text:"Where it runs it ends at once. Its revisions are forgotten, too; this cannot be undone.",action:"Delete",tone:"bad"})&&(await Z(await re(e.room,e.id)),T({text:`${e.name} is deleted.`,tone:"ok"}),te(ie.href))});return t`<button type="button" class="button" disabled=${s} onClick=${r}><${w} name=${e.is_enabled?"pause":"play"} />${e.is_enabled?"Disable…":"Enable"}</button>
    <button type="button" class="button danger" disabled=${s} onClick=${u}><${w} name="close" />Delete…</button>`}function qt({service:e,onChanged:o}){let{data:s,error:a,loading:n,reload:r}=C(()=>Ue(e),[e.id]),[u,c]=$(0);if(a&&!s)return t`<div class="session-pane"><${x} error=${a} retry=${r} /></div>`;if(!s)return t`<div class="session-pane"><${S} rows=${8} label="Loading the manifest" /></div>`;let d=Math.max(u,e.revision),m=!n&&d>s.revision?d:null,i=async l=>{try{let g=await ze(e,l,m??s.revision);T({text:`${g.metadata.name} is changed.`,tone:"ok"})}catch(g){if(!Ge(g))throw g;return c(await qe(e))}r(),o()};return t`<div class="session-pane"><${ve}
    key=${s.revision}
    start=${Vt(s.manifest)}
    action=${m?`Save over revision ${m}`:"Save as a new revision"}
    onSend=${i}
    notice=${m&&t`<${Ut} service=${e} mine=${s.revision} other=${m} />`}
    fixedRoom
  >${m&&t`<button type="button" class="button" onClick=${r}>Discard mine, load revision ${m}</button>`}<//></div>`}function Ut({service:e,mine:o,other:s}){return t`<div class="behind" role="alert">
    <p><strong>Revision ${s} was saved meanwhile.</strong> This is revision ${o}, with what you changed: save it over revision ${s}, or load that one and change it.</p>
    <details><summary>What changed meanwhile</summary><${Ae} service=${e} old=${o} new=${s} /></details>
  </div>`}function Vt({id:e,...o}){let s=o.metadata.annotations??{};return s[nt]?{text:s[nt],values:JSON.parse(s[Bt]||"{}")}:{text:we(o)}}function rt({endpoint:e,onClose:o}){let[s,a]=$(""),[n,r]=$(!1),[u,c]=$(null),d=V(null);K(()=>{k("/studio/me").then(i=>a(l=>l||i.default_room||le.peek()?.[0]?.name||""),()=>{})},[]),ue(()=>d.current.focus(),[]);let m=async i=>{i.preventDefault();let l=s.trim(),g=ge(l);if(g){c(l?{title:g}:{title:"Say into which room",detail:"A room that does not exist yet is made."}),d.current.focus();return}r(!0),c(null);try{await P(e.path,{event:"room.call",data:{room_name:l}},{headers:{Prefer:"wait=15"}}),T({text:`${e.identity} is called into ${l}.`,tone:"ok",link:I("/rooms",l),linkText:"Open the room"}),o()}catch(p){c(p),r(!1)}};return t`<${Ke}
    title=${`Call ${e.identity} into a room`}
    onClose=${o}
    footer=${t`<button type="button" class="button" onClick=${o}>Cancel</button><button type="submit" form="call-form" class="button primary" disabled=${n}>${n?"Calling…":"Call"}</button>`}
  >
    <form id="call-form" class="call-form" onSubmit=${m} novalidate>
      <div class="field">
        <label for="call-room">Room</label>
        <input ref=${d} id="call-room" class="input" type="text" name="room" list="rooms-known" autocomplete="off" spellcheck=${!1} value=${s} aria-invalid=${u?"true":void 0} aria-describedby="call-about" onInput=${i=>a(i.currentTarget.value)} />
        <datalist id="rooms-known">${(le.value??[]).map(i=>t`<option key=${i.name} value=${i.name} />`)}</datalist>
      </div>
      <p id="call-about" class="hint muted">A new session of <span class="mono">${H(e.path,e.bundle)}</span> starts in a process of its own and joins this room as ${e.identity}.</p>
      ${u&&t`<p class="call-error" role="alert">${u.title}${u.detail?`: ${u.detail}`:""}</p>`}
    </form>
  <//>`}var zt=2,Gt=[{id:"name",label:"Service",sort:e=>e.name,cell:e=>t`<a href=${I("/services",e.id)}><strong>${e.name}</strong></a>`},{id:"room",label:"Room",sort:e=>e.room,cell:e=>e.room?t`<a href=${`${I("/rooms",e.room)}?tab=services`}>${e.room}</a>`:t`<span class="muted">every room</span>`},{id:"state",label:"State",sort:e=>ee(e).word,cell:e=>t`<${Jt} service=${e} />`},{id:"image",label:"Image",hide:"narrow",sort:e=>e.image,cell:e=>e.image?t`<span class="mono" title=${e.image}>${We(e.image)}</span>`:t`<span class="muted">runs elsewhere</span>`},{id:"revision",label:"Revision",align:"right",hide:"narrow",sort:e=>e.revision,cell:e=>e.revision},{id:"restarts",label:"Restarts",align:"right",hide:"medium",sort:it,first:"desc",cell:e=>it(e)||""},{id:"changed",label:"Changed",hide:"medium",sort:e=>e.updated_at,first:"desc",cell:e=>t`<${fe} at=${e.updated_at} />`}];function Jt({service:e}){let{tone:o,word:s,sentence:a}=ee(e);return t`<span title=${a}><${R} tone=${o}>${s}<//>${a&&o!=="idle"&&t` <span class="muted">${a}</span>`}</span>`}function it(e){return Object.values(e.states).reduce((o,s)=>o+s.restart_count,0)}function lt({wanted:e}){let{data:o,error:s,reload:a}=C(async({signal:r})=>k(await _("service-states"),{signal:r}),[],{every_s:zt}),n=J(()=>(o?.services??[]).filter(r=>oe(e,[r.name,r.room,r.image,ee(r).word])),[o,e]);return s&&!o?t`<${x} error=${s} retry=${a} />`:o?o.services.length?n.length?t`<${be} label="Deployed services" columns=${Gt} rows=${n} rowKey=${r=>r.id} rowTone=${r=>ee(r).tone==="bad"?"bad":""} onOpen=${r=>te(I("/services",r.id))} grow keys />`:t`<${E} icon="search" title="No service matches"><button class="button" onClick=${()=>D({q:null})}>Show all</button><//>`:t`<${E} icon="services" title="No service is deployed">
      <p>A service is a manifest that this server keeps: whoever enters a room first starts it, in a container or as a process.</p>
      <p><a class="button primary" href=${I("/services","new")}><${w} name="plus" />New service</a></p>
      <p><code>bulkhead service create FILE --room ROOM</code> does the same.</p>
    <//>`:t`<${S} rows=${5} label="Loading services" />`}var Ht={memory_bytes:["memory",se],cpu:["processor",Be],cpu_total_s:["processor time in all",X],pids:["processes and threads",L],files:["open files",L],file_size_bytes:["largest file",se],disk_bytes:["disk",se],timeout_s:["longest life",X],idle_timeout_s:["longest idle",X],concurrency:["sessions at once",L]};function ct(e,o){return Object.entries(e??{}).map(([s,a])=>{let[n,r]=Ht[s]??[s.replaceAll("_"," "),String];return[n,r(a),o?.[s]??""]})}var mt=[["endpoint","Endpoint"],["identity","Identity"],["room","Room"],["session","Session"],["day","Day"]],Yt=[["","All that is known"],["1h","The last hour"],["24h","The last day"],["168h","The last week"]],Q=(e,o,s,a={})=>({id:e,label:o,align:"right",first:"desc",sort:n=>n[e],cell:n=>s(n[e]),...a}),Qt=[Q("sessions","Sessions",L),Q("restarts","Restarts",L,{hide:"medium"}),Q("turns","Turns",L,{hide:"narrow"}),Q("messages","Messages",L,{hide:"medium"}),Q("cpu_s","Processor",X),Q("peak_bytes","Peak memory",se),Q("memory_gib_s","GiB · s",Ee,{hide:"medium"}),Q("tokens_in","Tokens in",L,{hide:"narrow"}),Q("tokens_out","Tokens out",L,{hide:"narrow"}),{id:"cost",label:"Cost",align:"right",first:"desc",sort:e=>e.cost_usd,cell:$t}];function $t(e){if(!(e.tokens_in+e.tokens_out))return"–";let s=e.cost_usd?e.cost_usd<.01?"<$0.01":`$${e.cost_usd.toFixed(2)}`:e.unpriced_tokens?"":"$0";return e.unpriced_tokens?t`<span title=${`${L(e.unpriced_tokens)} tokens without a price`}>${s?`${s} + ?`:"?"}</span>`:s}function pt(){let[e,o]=$("endpoint"),[s,a]=$(""),n=`by=${e}${s?`&since=${s}`:""}`,{data:r,error:u,reload:c}=C(({signal:l})=>k(`/usage?${n}`,{signal:l}),[e,s],{every_s:10}),m=[{id:"name",label:mt.find(([l])=>l===e)[1],class:"grow",sort:l=>l.name,cell:l=>t`<span class="mono" title=${l.name}>${(e==="endpoint"?H(l.name):l.name)||"–"}</span>`},...Qt],i=(r?.rows??[]).map(l=>({...l,name:l[r.by]}));return t`
    <div class="usage-choice">
      <${ut} label="By" options=${mt} value=${e} onChange=${o} />
      <${ut} label="Ended within" options=${Yt} value=${s} onChange=${a} />
    </div>
    ${u&&!r&&t`<${x} error=${u} retry=${c} />`}
    ${!r&&!u&&t`<${S} rows=${5} label="Loading usage" />`}
    ${r&&!i.length&&t`<${E} icon="services" title="Nothing was used"><p>Sessions that run, or that ended in this time, are added up here.</p><//>`}
    ${r&&i.length>0&&t`<${be} label=${`Usage by ${e}`} columns=${m} rows=${i} rowKey=${l=>l.name} initialSort=${{by:"cpu_s",down:!0}} grow=${!0} keys>
        <${Zt} total=${r.total} prices=${r} />
      <//>`}
  `}var Zt=({total:e,prices:o})=>t`<p class="usage-sum">
  Together <strong>${L(e.sessions)}</strong> sessions, <strong>${X(e.cpu_s)}</strong> of processor, <strong>${Ee(e.memory_gib_s)}</strong> GiB · s of memory, <strong>${L(e.tokens_in+e.tokens_out)}</strong> tokens${e.tokens_in+e.tokens_out>0&&t`, <strong>${$t(e)}</strong>`}.${" "}
  <span class="muted">List prices of ${o.prices_as_of}, without discounts.${o.unpriced.length?` No price for ${o.unpriced.join(", ")}: set usage.prices.`:""}</span>
</p>`,ut=({label:e,options:o,value:s,onChange:a})=>t`<label class="choice"><span class="muted">${e}</span>
  <select class="select" value=${s} onChange=${n=>a(n.currentTarget.value)}>
    ${o.map(([n,r])=>t`<option key=${n} value=${n} selected=${n===s}>${r}</option>`)}
  </select>
</label>`;var Xt={ready:"ok",loading:"busy",failed:"bad"},ft=[{id:"services",label:"Agents"},{id:"deployed",label:"Deployed"},{id:"usage",label:"Usage"},{id:"manifest",label:"Manifest"}];function es(){let e=z.value.query,o=e.get("tab"),s=ft.some(({id:r})=>r===o)?o:"services",a=e.get("q")??"",n=Te.value;return t`<${q}
    title="Services"
    class="services"
    actions=${s==="services"&&n?.length>1||s==="deployed"?t`<${he} value=${a} onInput=${r=>D({q:r})} placeholder="Filter services" /><a class="button primary" href=${I("/services","new")}><${w} name="plus" />New service</a>`:null}
  >
    <${ae} label="Parts of services" current=${s} onChange=${r=>D({tab:r==="services"?null:r,q:null},{push:!0})} tabs=${ft} />
    ${s==="services"&&t`<${ts} wanted=${a} />`}
    ${s==="deployed"&&t`<${lt} wanted=${a} />`}
    ${s==="usage"&&t`<${pt} />`}
    ${s==="manifest"&&t`<${as} />`}
  <//>`}function ts({wanted:e}){let o=Te.value,s=Pe.value??[],[a,n]=$(null),r=J(()=>ht(Ce.value??[],m=>m.exit?null:m.endpoint),[Ce.value]),u=J(()=>ht(_e.value??[],m=>m.endpoint,m=>m.count),[_e.value]);if(o===null)return t`<${S} rows=${6} label="Loading services" />`;if(!o.length)return t`<${E} icon="services" title="No agent is loaded">
      <p>Put a file such as <code>main.py</code> with a <code>ServiceHost</code> into the folder of agents; it is loaded as soon as it is saved. <code>bulkhead demo</code> shows examples.</p>
    <//>`;let c=o.filter(m=>{let i=s.filter(l=>l.bundle===m.name);return oe(e,[m.name,m.source,m.state,m.error??"",...i.flatMap(l=>[l.path,H(l.path,l.bundle),l.identity,l.class,Ie(l.kind),l.description])])}),d=[...c].sort((m,i)=>!!i.error-!!m.error||m.name.localeCompare(i.name));return t`
    ${!c.length&&t`<${E} icon="search" title="No service matches"><button class="button" onClick=${()=>D({q:null})}>Show all</button><//>`}
    <div class="bundles">${d.map(m=>t`<${ss} key=${m.name} bundle=${m} paths=${s.filter(i=>i.bundle===m.name)} running=${r} crashed=${u} onCall=${n} />`)}</div>
    ${a&&t`<${rt} endpoint=${a} onClose=${()=>n(null)} />`}
  `}function ss({bundle:e,paths:o,running:s,crashed:a,onCall:n}){let r=o.filter(d=>d.state==="ready"&&d.path),u=e.error&&r.length?Math.max(...r.map(d=>d.code_generation)):0,c=t`<span class="bundle-title"><span class="bundle-name">${e.name}</span><${j} tone=${Xt[e.state]??"idle"}>${e.state}<//></span>`;return t`<${O} title=${c} flush class="bundle" actions=${t`<span class="bundle-source mono muted" title=${e.source}><bdi>${e.source}</bdi></span><${Y} text=${e.source} title="Copy the path" />`}>
    ${e.error&&t`<div class="bundle-error" role="alert">
      <p><strong>${Ne(e.error)}</strong></p>
      ${u?t`<p>Generation ${u} keeps serving; fix it and save again.</p>`:null}
      ${e.detail&&t`<details open><summary>Traceback</summary><div class="fold-body"><pre tabindex="0">${Ne(e.detail).trimEnd()}</pre><${Y} text=${e.detail} title="Copy the traceback" /></div></details>`}
    </div>`}
    ${r.length>0&&t`<ul class="endpoints">
      ${r.map(d=>t`<${os} key=${d.path} endpoint=${d} generation=${e.code_generation} running=${s.get(d.path)??0} crashed=${a.get(d.path)??0} onCall=${n} />`)}
    </ul>`}
    <p class="bundle-foot muted">
      <span>code generation ${e.code_generation}</span>
      ${e.pid!==null&&t`<span title="The process that has imported the program; sessions are forked from it">template pid <span class="mono">${e.pid}</span></span>`}
      <span title="Processes that were forked early and wait for a session">${G(e.parked,"process","processes")} parked</span>
      ${e.threads.length>0&&t`<span class="tone-warn-text">its import leaves ${e.threads.length===1?"a thread":"threads"} running (${e.threads.join(", ")}): each session starts a fresh interpreter</span>`}
    </p>
  <//>`}function os({endpoint:e,generation:o,running:s,crashed:a,onCall:n}){let r=ct(e.limits,e.limit_sources);return t`<li class="endpoint">
    <div class="endpoint-head">
      <span class="endpoint-path mono" title=${e.path}>${H(e.path,e.bundle)}</span>${je(e.path)&&t`<${Y} text=${e.path} title="Copy the path that it is called at" />`}
      <span class="endpoint-who">as <strong>${e.identity}</strong></span>
      <${j}>${Ie(e.kind)}<//>
      ${e.class&&t`<span class="mono muted">${e.class}</span>`}
    </div>
    <p class="endpoint-about">${e.title&&e.title!==e.identity?t`<strong>${e.title}</strong>${e.description?": ":""}`:""}${e.description}</p>
    <div class="endpoint-foot">
      <a href=${`${I("/sessions")}?q=${encodeURIComponent(H(e.path,e.bundle))}`}><${R} tone=${s?"ok":"idle"}>${G(s,"session")}<//></a>
      ${a>0&&t`<a href=${`${I("/crashes")}?q=${encodeURIComponent(H(e.path,e.bundle))}`}><${R} tone="bad">${G(a,"crash","crashes")}<//></a>`}
      ${e.code_generation!==o&&t`<span class="tone-warn-text">still generation ${e.code_generation}</span>`}
      ${r.length>0&&t`<details class="limits">
        <summary>Limits</summary>
        <table><tbody>${r.map(([u,c,d])=>t`<tr key=${u}><th scope="row">${u}</th><td>${c}</td><td class="muted">${d}</td></tr>`)}</tbody></table>
      </details>`}
      <button type="button" class="button endpoint-call" onClick=${()=>n(e)}>Call into a room…</button>
    </div>
  </li>`}function as(){let{data:e,error:o,reload:s}=C(({signal:n})=>k("/.well-known/meshagent-service.json",{signal:n}),[]);if(o)return t`<${x} error=${o} retry=${s} />`;if(!e)return t`<${S} rows=${8} label="Loading the manifest" />`;let a=we(e);return t`<p class="muted">This server's agents as one service. <code>bulkhead service spec</code> prints it for one program, with a name, an image or an address of your own.</p>
    <${O} title="meshagent.yaml" flush actions=${t`<${Y} label="Copy" title="Copy the manifest" text=${a} />`}><pre class="manifest" tabindex="0">${a}</pre><//>`}function ht(e,o,s=()=>1){let a=new Map;for(let n of e){let r=o(n);r!==null&&a.set(r,(a.get(r)??0)+s(n))}return a}var gt=`ports:
  - num: "*"
    liveness: /
    endpoints:
      - path: /greeter
        meshagent:
          identity: greeter
container:
  image: registry.example.org/greeter:1
`,vt=e=>`version: v1
kind: ${e}
metadata:
  name: greeter
`,Re=`${vt("Service")}${gt}`,bt=`${vt("ServiceTemplate")}variables:
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
${gt}  environment:
    - name: TONE
      value: "{tone}"
    - name: OWNER
      value: "{owner}"
    - name: SEARCH_KEY
      value: "{search_key}"
`;function ns(){let[e,o]=$({text:Re,at:0}),s=z.value.query.get("room")??"",a=async(r,u)=>{let c=await Ve(u,r);T({text:`${c.metadata.name} is deployed.`,tone:"ok"}),te(I("/services",c.id))},n=t`<button type="button" class="button" aria-pressed=${String(e.text===Re)} onClick=${()=>o({text:Re,at:e.at+1})}>A service</button>
    <button type="button" class="button" aria-pressed=${String(e.text===bt)} onClick=${()=>o({text:bt,at:e.at+1})}>A template</button>`;return t`<${q} title="New service" class="services" back=${{href:`${I("/services")}?tab=deployed`,label:"Services"}} meta=${t`<span class="muted">Begin with</span> ${n}`}>
    <${ve} key=${e.at} start=${{text:e.text,room:s}} action="Deploy" onSend=${a}><a class="button" href=${`${I("/services")}?tab=deployed`}>Cancel</a><//>
  <//>`}var rs={server:"Server",supervisor:"Sessions",limits:"Limits",log:"Log"};function yt(){let e=z.value.query,o=e.get("q")??"",s=e.get("changed")==="1",{data:a,error:n,reload:r}=C(({signal:d})=>k("/settings",{signal:d}),[]),u=a?.settings??[],c=J(()=>{let d=new Map;for(let m of u){if(s&&m.source==="default"||!oe(o,[m.name,m.env,m.help,m.source,m.secret?"":String(m.value)]))continue;let i=m.name.split(".")[0];d.set(i,[...d.get(i)??[],m])}return[...d]},[a,o,s]);return t`
    ${a&&t`<div class="toolbar">
      <${he} value=${o} onInput=${d=>D({q:d})} placeholder="Filter settings" />
      <label class="check"><input type="checkbox" checked=${s} onChange=${d=>D({changed:d.currentTarget.checked?"1":null})} /> only changed</label>
    </div>`}
    ${n&&!a&&t`<${x} error=${n} retry=${r} />`}
    ${!a&&!n&&t`<${S} rows=${10} label="Loading settings" />`}
    ${a&&t`<p class="muted">Flags win over the environment, the environment over <code>bulkhead.toml</code>, that over the defaults. They are read when the server starts.</p>`}
    ${a&&!c.length&&t`<${E} icon="search" title=${o?"No setting matches":"Everything is at its default"}><button class="button" onClick=${()=>D({q:null,changed:null})}>Show all</button><//>`}
    ${c.map(([d,m])=>t`<${O} key=${d} title=${rs[d]??d} flush>
        <ul class="settings-list">${m.map(i=>t`<${is} key=${i.name} setting=${i} />`)}</ul>
      <//>`)}
  `}function is({setting:e}){let{name:o,env:s,value:a,source:n,help:r,secret:u}=e,[c,...d]=o.split(".");return t`<li class="setting">
    <div class="setting-name"><span class="mono"><span class="muted">${d.length?`${c}.`:""}</span>${d.length?d.join("."):o}</span><p class="setting-help muted">${r}</p></div>
    <div class="setting-value mono">${ls(a,u)}</div>
    <div class="setting-source"><${j} tone=${n==="default"?"":"ok"}>${n===`env ${s}`?"environment":n}<//><span class="setting-env mono muted">${s}</span><${Y} text=${s} title=${`Copy ${s}`} /></div>
  </li>`}function ls(e,o){return e===""||e===null?t`<span class="muted">${o?"not set":"empty"}</span>`:o?t`<span title="A secret; it never leaves the server">•••</span>`:e===!0||e===!1?e?"yes":"no":String(e)}function ke({what:e,value:o,onClose:s}){let a=V(null);return K(()=>a.current.focus(),[o]),t`<div class="notice tone-ok once" role="status">
    <${w} name="check" />
    <div class="once-body">
      <p><strong>${e}</strong> is shown this once. Copy it now; the server does not keep it in a form that it could show again.</p>
      <div class="once-value"><input ref=${a} class="input mono" readonly aria-label=${e} value=${o} onFocus=${n=>n.currentTarget.select()} /><${Y} text=${o} label="Copy" /></div>
    </div>
    <button type="button" class="button icon-only quiet" aria-label="I have it: hide it" title="I have it: hide it" onClick=${s}><${w} name="close" size=${14} /></button>
  </div>`}function wt(){let{data:e,error:o,reload:s}=C(async({signal:i})=>k(await _("api-keys"),{signal:i}),[]),[a,n]=$(!1),[r,u]=$(null),c=async i=>{await U({title:`Delete the API key ${i.name}?`,text:"It is refused at once, and so are tokens that were signed with it.",action:"Delete",tone:"bad"})&&await _("api-keys",i.id).then(Z).then(()=>(T({text:`${i.name} is deleted.`,tone:"ok"}),s()),B)},d=i=>{n(!1),u(i),s()},m=e?.keys??[];return t`
    <p class="muted">With a key, commands and programs elsewhere may do what you may do here: <code>bulkhead service create --url … </code>with <code>BULKHEAD_API_TOKEN</code>, or MeshAgent's clients with <code>MESHAGENT_API_KEY</code>.</p>
    ${o&&!e&&t`<${x} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${S} rows=${3} label="Loading API keys" />`}
    ${r&&t`<${ke} what=${`The API key ${r.name}`} value=${r.value} onClose=${()=>u(null)} />`}
    ${e&&t`<${O} title="API keys" flush actions=${t`<button type="button" class="button primary" onClick=${()=>n(!0)}><${w} name="plus" />New key</button>`}>
      ${m.length?t`<ul class="kept-list">
              ${m.map(i=>t`<li key=${i.id} class="kept">
                  <div class="kept-what"><strong>${i.name}</strong>${i.description&&t`<p class="muted">${i.description}</p>`}</div>
                  <div class="kept-when muted mono" title="Its id, which tokens that it signed name">${i.id}</div>
                  <div class="kept-do"><button type="button" class="button small danger" aria-label=${`Delete ${i.name}`} onClick=${()=>c(i)}>Delete…</button></div>
                </li>`)}
            </ul>`:t`<${E} icon="settings" title="No API key"><p>Your own processes on this machine need none.</p><//>`}
    <//>`}
    ${a&&t`<${cs} onMade=${d} onClose=${()=>n(!1)} />`}
  `}function cs({onMade:e,onClose:o}){let[s,a]=$(""),[n,r]=$("");return t`<${ne} title="New API key" action="Make it" busyText="Making…" onSend=${async()=>{if(!s.trim())throw{title:"Give it a name",detail:"for whom or what it is, such as ci"};e(await P(await _("api-keys"),{name:s.trim(),description:n.trim()}))}} onClose=${o}>
    <${A} name="key-name" label="Name"><input id="key-name" class="input" value=${s} onInput=${c=>a(c.currentTarget.value)} /><//>
    <${A} name="key-about" label="Description" hint="What it is for, for whoever wonders later."><input id="key-about" class="input" value=${n} onInput=${c=>r(c.currentTarget.value)} /><//>
  <//>`}var ms={keys:"Variables: names with a value each",docker:"Registry: a server, a user and a password",text:"Text: one value"},us=[["server","Server","text","registry.example.org"],["username","User","text",""],["password","Password","password",""],["email","E-mail","text","optional"]];function kt(){let{data:e,error:o,reload:s}=C(async({signal:l})=>k(await _("secrets"),{signal:l}),[]),[a,n]=$(null),[r,u]=$([]),c=async l=>{await U({title:`Delete the secret ${l.name}?`,text:"Its value is gone for good. A secret that a service is given cannot be deleted.",action:"Delete",tone:"bad"})&&await _("secrets",l.id).then(Z).then(()=>(T({text:`${l.name} is deleted.`,tone:"ok"}),s()),B)},d=(l,g)=>{n(null),u(g),T({text:`${l} is set.`,tone:"ok"}),s()},m=()=>He(r).then(()=>(T({text:"They have the newest values.",tone:"ok"}),u([])),B),i=e?.secrets??[];return t`
    <p class="muted">Services are given secrets by name: as variables, as one value, or to pull their image. Values are kept encrypted, are shown nowhere, and are taken out of every log.</p>
    ${o&&!e&&t`<${x} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${S} rows=${4} label="Loading secrets" />`}
    ${r.length>0&&t`<div class="notice tone-warn" role="status">
      <${w} name="reload" />
      <p>${G(r.length,"service goes","services go")} on with the older value: ${r.join(", ")}. Where they run they start anew with the newest.</p>
      <button type="button" class="button small" onClick=${m}>Update ${r.length===1?"it":"them"}</button>
    </div>`}
    ${e&&t`<${O} title="Secrets" flush actions=${t`<button type="button" class="button primary" onClick=${()=>n({})}><${w} name="plus" />New secret</button>`}>
      ${i.length?t`<ul class="kept-list">
              ${i.map(l=>t`<li key=${l.id} class="kept">
                  <div class="kept-what"><strong class="mono">${l.name}</strong> <${j}>${l.type}<//>
                    ${l.type==="keys"&&t`<p class="muted mono">${Object.keys(l.data).join(", ")}</p>`}
                  </div>
                  <div class="kept-when muted">version ${l.version} · ${pe(l.updated_at*1e3,ce.value)}</div>
                  <div class="kept-do"><button type="button" class="button small" onClick=${()=>n(l)}>New value…</button><button type="button" class="button small danger" aria-label=${`Delete ${l.name}`} onClick=${()=>c(l)}>Delete…</button></div>
                </li>`)}
            </ul>`:t`<${E} icon="settings" title="No secret is kept"><p>Keep keys and passwords here instead of in manifests. <code>bulkhead secret set NAME</code> does the same.</p><//>`}
    <//>`}
    ${a&&t`<${ds} secret=${a} onSaved=${d} onClose=${()=>n(null)} />`}
  `}function ds({secret:e,onSaved:o,onClose:s}){let a=!e.id,[n,r]=$(e.name??""),[u,c]=$(e.type??"keys"),[d,m]=$(""),[i,l]=$(()=>Object.keys(e.data??{}).map(f=>[f,""]).concat(a?[["",""]]:[])),[g,p]=$({}),y=async()=>{let f={name:n.trim(),type:u};if(!f.name)throw{title:"Give it a name",detail:"services ask for the secret by it"};if(u==="text")f.data_base64=$s(d);else if(u==="docker")f.data={email:"",...g};else if(f.data=Object.fromEntries(i.map(([v,M])=>[v.trim(),M]).filter(([v])=>v)),!Object.keys(f.data).length)throw{title:"Name a variable",detail:"such as SEARCH_KEY"};let N=await _("secrets",...a?[]:[e.id]),h=await(a?P:$e)(N,f);o(f.name,h.behind??[])},b=(f,N,h)=>l(i.map((v,M)=>M===f?[N,h]:v));return t`<${ne} title=${a?"New secret":`New value of ${e.name}`} action="Set" onSend=${y} onClose=${s}>
    <${A} name="secret-name" label="Name"><input id="secret-name" class="input mono" value=${n} spellcheck=${!1} onInput=${f=>r(f.currentTarget.value)} /><//>
    ${a&&t`<${A} name="secret-type" label="Kind"><select id="secret-type" class="select" value=${u} onChange=${f=>c(f.currentTarget.value)}>${Object.entries(ms).map(([f,N])=>t`<option key=${f} value=${f}>${N}</option>`)}</select><//>`}
    ${u==="text"&&t`<${A} name="secret-text" label="Value"><input id="secret-text" class="input mono" type="password" autocomplete="new-password" value=${d} onInput=${f=>m(f.currentTarget.value)} /><//>`}
    ${u==="docker"&&us.map(([f,N,h,v])=>t`<${A} key=${f} name=${`secret-${f}`} label=${N}><input id=${`secret-${f}`} class="input mono" type=${h} autocomplete=${h==="password"?"new-password":"off"} placeholder=${v} value=${g[f]??""} onInput=${M=>p({...g,[f]:M.currentTarget.value})} /><//>`)}
    ${u==="keys"&&t`<fieldset class="pairs"><legend>Variables</legend>
      ${i.map(([f,N],h)=>t`<div key=${h} class="pair">
          <input class="input mono" aria-label=${`Name of variable ${h+1}`} placeholder="NAME" spellcheck=${!1} value=${f} onInput=${v=>b(h,v.currentTarget.value,N)} />
          <input class="input mono" type="password" autocomplete="new-password" aria-label=${`Value of variable ${h+1}`} placeholder="value" value=${N} onInput=${v=>b(h,f,v.currentTarget.value)} />
          <button type="button" class="button icon-only quiet" aria-label=${`Remove variable ${h+1}`} onClick=${()=>l(i.filter((v,M)=>M!==h))}><${w} name="close" size=${14} /></button>
        </div>`)}
      <button type="button" class="button small" onClick=${()=>l([...i,["",""]])}><${w} name="plus" size=${14} />Another</button>
    </fieldset>`}
    ${!a&&u!=="text"&&t`<p class="hint muted">All values are set anew; what is left empty is empty then.</p>`}
  <//>`}function $s(e){let o="";for(let s of new TextEncoder().encode(e))o+=String.fromCharCode(s);return btoa(o)}var St={"room.started":"when a room opens","room.ended":"when a room has closed"},ps=2,fs={waiting:"busy",delivered:"ok",failed:"bad"};function xt(){let{data:e,error:o,reload:s}=C(async({signal:i})=>k(await _("webhooks"),{signal:i}),[]),[a,n]=$(null),[r,u]=$(null),c=async i=>{let l=`${i.url} is told nothing more; what waits for it is not sent.`;await U({title:`Delete the webhook ${i.name}?`,text:l,action:"Delete",tone:"bad"})&&await _("webhooks",i.id).then(Z).then(()=>(T({text:`${i.name} is deleted.`,tone:"ok"}),s()),B)},d=i=>{n(null),i.secret?u(i):T({text:`${i.name} is changed.`,tone:"ok"}),s()},m=e?.webhooks??[];return t`
    <p class="muted">This server posts what happens to addresses of yours, signed, and again for an hour where it is not taken.</p>
    ${o&&!e&&t`<${x} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${S} rows=${3} label="Loading webhooks" />`}
    ${r&&t`<${ke} what=${`The secret that signs ${r.name}`} value=${r.secret} onClose=${()=>u(null)} />`}
    ${e&&t`<div class="toolbar"><button type="button" class="button primary" onClick=${()=>n({})}><${w} name="plus" />New webhook</button></div>`}
    ${e&&!m.length&&t`<${E} icon="out" title="Nobody is told"><p>A webhook hears when rooms open and close.</p><//>`}
    ${m.map(i=>t`<${hs} key=${i.id} hook=${i} onEdit=${()=>n(i)} onRemove=${()=>c(i)} />`)}
    ${a&&t`<${gs} hook=${a} onSaved=${d} onClose=${()=>n(null)} />`}
  `}function hs({hook:e,onEdit:o,onRemove:s}){let a=async({signal:i})=>k(`${await _("webhooks",e.id)}/deliveries`,{signal:i}),{data:n,error:r,reload:u}=C(a,[e.id],{every_s:ps}),c=i=>_("webhooks",e.id,"deliveries",i.id).then(l=>P(l)).then(()=>(T({text:`${i.event} is sent again.`,tone:"ok"}),u()),B),d=n?.deliveries??[],m=t`<span class="hook-title">${e.name} ${e.events.map(i=>t`<${j} key=${i}>${i}<//>`)}</span>`;return t`<${O}
    title=${m}
    flush
    class="hook"
    actions=${t`<button type="button" class="button small" onClick=${o} aria-label=${`Edit ${e.name}`}>Edit…</button><button type="button" class="button small danger" onClick=${s} aria-label=${`Delete ${e.name}`}>Delete…</button>`}
  >
    <p class="hook-url mono">${e.url}</p>
    ${e.description&&t`<p class="hook-about muted">${e.description}</p>`}
    ${r&&!n&&t`<${x} error=${r} retry=${u} />`}
    ${n&&!d.length&&t`<p class="hook-none muted">Nothing was sent yet.</p>`}
    ${d.length>0&&t`<ul class="deliveries" aria-label=${`Deliveries to ${e.name}`}>
      ${d.map(i=>t`<li key=${i.id} class="delivery">
          <${R} tone=${fs[i.state]}>${i.state}<//>
          <span class="mono">${i.event}</span>
          <span class="muted" title=${Fe(i.created_at)}>${pe(i.created_at,ce.value)}</span>
          <span class="delivery-said">${bs(i,ce.value)}</span>
          <button type="button" class="button small" aria-label=${`Send ${i.event} again`} onClick=${()=>c(i)}>Send again</button>
        </li>`)}
    </ul>`}
  <//>`}function bs(e,o){let s=G(e.attempts,"attempt"),a=e.error||(e.status?`answered ${e.status}`:"no answer");if(e.state==="delivered")return`answered ${e.status}${e.attempts>1?` after ${s}`:""}`;if(e.state==="failed")return`given up after ${s}: ${a}`;let n=Math.max(0,Math.round(e.next_at-o/1e3));return e.attempts?`${a}; ${n?`again in ${n} s`:"again now"} (${s} made)`:"on its way"}function gs({hook:e,onSaved:o,onClose:s}){let a=!e.id,[n,r]=$(e.name??""),[u,c]=$(e.url??""),[d,m]=$(e.description??""),[i,l]=$(e.events??Object.keys(St)),[g,p]=$(e.payload?JSON.stringify(e.payload):""),[y,b]=$("");K(()=>{let h="";try{let v=g.trim()?JSON.parse(g):null;v!==null&&(typeof v!="object"||Array.isArray(v))&&(h='This is to be an object, such as {"team": "support"}.')}catch(v){h=`This is not JSON: ${v.message}.`}b(h)},[g]);let f=async()=>{if(!n.trim())throw{title:"Give it a name",detail:"whom it tells"};if(!/^https?:\/\/[^/\s]+/.test(u.trim()))throw{title:"Say where to post to",detail:"an address that begins with http:// or https://"};if(!i.length)throw{title:"Choose what it hears of"};if(y)throw{title:"What is sent along cannot be used",detail:y};let h={name:n.trim(),url:u.trim(),description:d.trim(),events:i,action:e.action??"",payload:g.trim()?JSON.parse(g):null},v=await _("webhooks",...a?[]:[e.id]);o(await(a?P:$e)(v,h))},N=h=>l(i.includes(h)?i.filter(v=>v!==h):[...i,h]);return t`<${ne} title=${a?"New webhook":`Edit ${e.name}`} action=${a?"Make it":"Save"} onSend=${f} onClose=${s}>
    <${A} name="hook-name" label="Name"><input id="hook-name" class="input" value=${n} onInput=${h=>r(h.currentTarget.value)} /><//>
    <${A} name="hook-url" label="Address" hint="It is posted JSON, and is to answer 2xx."><input id="hook-url" class="input mono" type="url" inputmode="url" placeholder="https://example.org/rooms" aria-describedby="hook-url-hint" value=${u} onInput=${h=>c(h.currentTarget.value)} /><//>
    <fieldset class="choices"><legend>It hears</legend>
      ${Object.entries(St).map(([h,v])=>t`<label key=${h} class="check"><input type="checkbox" checked=${i.includes(h)} onChange=${()=>N(h)} /> <span class="mono">${h}</span> <span class="muted">${v}</span></label>`)}
    </fieldset>
    <${A} name="hook-about" label="Description"><input id="hook-about" class="input" value=${d} onInput=${h=>m(h.currentTarget.value)} /><//>
    <${A} name="hook-payload" label="Sent along" error=${y} hint="An object that is merged into the data of each; empty for none."><input id="hook-payload" class="input mono" spellcheck=${!1} placeholder="{}" aria-invalid=${y?"true":void 0} aria-describedby="hook-payload-hint" value=${g} onInput=${h=>p(h.currentTarget.value)} /><//>
  <//>`}var De=[{id:"settings",label:"Settings",body:yt},{id:"secrets",label:"Secrets",body:kt},{id:"keys",label:"API keys",body:wt},{id:"webhooks",label:"Webhooks",body:xt}];function vs(){let e=z.value.query.get("tab"),o=De.find(({id:s})=>s===e)??De[0];return t`<${q} title="Settings" class="settings">
    <${ae} label="Parts of settings" current=${o.id} tabs=${De} onChange=${s=>D({tab:s==="settings"?null:s,q:null,changed:null},{push:!0})} />
    <${o.body} />
  <//>`}export{ns as NewService,Ft as Service,es as Services,vs as Settings};
