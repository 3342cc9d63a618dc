import{a as C,b as Oe,j as Ge}from"./chunk-L6KV4NMR.js";import{A as I,Aa as K,B as se,C as P,Ca as ne,Da as ae,Ea as be,Fa as E,Ga as F,Ia as ye,Ja as ie,K as v,M as O,N as oe,O as Z,P as Te,S as Ee,V as Ie,W as Ue,X as Ne,Y as me,_ as ue,e as $,ea as re,f as M,g as pe,ga as ze,h as j,ha as L,i as G,ia as B,ja as Re,ka as ee,na as he,o as t,p as fe,pa as de,q as k,r as T,s as x,sa as Ae,t as _,u as H,v as A,va as N,w as qe,wa as W,x as V,xa as J,ya as X,za as ge}from"./chunk-X3WSO5C6.js";var Le=null;async function w(e,...o){Le??=v("/accounts/projects").then(({projects:s})=>s[0].id);try{return["/accounts/projects",Te(await Le),e,...o.map(Te)].join("/")}catch(s){throw Le=null,s}}var De={Consistency:"fast"},Y=(e,...o)=>e?w("rooms",e,"services",...o):w("services",...o),ve=async e=>v(await Y(e.room,e.id),{headers:De}),He=async(e,o)=>O(await Y(e),o,{headers:De}),we=async(e,o)=>oe(await Y(e.room,e.id),o,{headers:De});async function Ve(e){let{services:o}=await v(await w("service-states"));for(let s of o.filter(({name:r})=>e.includes(r)))await we(s,await ve(s))}function Me(e){let o=[...e.events??[]].reverse().find(s=>s.type==="Warning");return e.state==="scheduled"?{tone:"bad",word:"restarting",sentence:e.last_start_error||o?.message||""}:e.state==="starting"?{tone:"busy",word:"starting",sentence:""}:e.state==="failed"?{tone:"bad",word:"failed",sentence:e.last_start_error||o?.message||""}:e.state!=="running"?{tone:"idle",word:e.state,sentence:""}:e.last_start_error_at>(e.started_at??0)?{tone:"warn",word:"running",sentence:`The newest revision did not get live: ${e.last_start_error}. The one before goes on.`}:(e.status?.ports??[]).some(s=>s.liveness_status==="not_ready")?{tone:"warn",word:"not answering",sentence:""}:{tone:"ok",word:"running",sentence:""}}var Je=["bad","warn","busy","ok","idle"];function te(e){if(!e.is_enabled)return{tone:"idle",word:"disabled",sentence:""};let o=Object.values(e.states).map(Me);if(!o.length)return{tone:"idle",word:"waiting",sentence:e.room?"It starts when somebody enters its room.":"It starts in every room that somebody enters."};let s=o.sort((n,a)=>Je.indexOf(n.tone)-Je.indexOf(a.tone))[0],r=o.filter(n=>n.word===s.word).length;return o.length>1?{...s,word:r===o.length?`${s.word} in ${r} rooms`:`${s.word} in ${r} of ${o.length} rooms`}:s}async function Ct(e,o){let s=`Its containers in ${o} end, then it starts by its newest revision. Who talks to it there has to begin again.`;await K({title:`Restart ${e.name} in ${o}?`,text:s,action:"Restart"})&&await w("rooms",o,"services",e.id,"restart").then(r=>O(r)).then(()=>E({text:`${e.name} starts anew in ${o}.`,tone:"ok"}),F)}function Ye({service:e,room:o,state:s}){let{tone:r,word:n,sentence:a}=Me(s),u=s.status?.ports??[],m=t`<span class="hook-title"><a href=${`${I("/rooms",o)}?tab=services`}>${o}</a> <${N} tone=${r}>${n}<//></span>`;return t`<${A} title=${m} class="going" actions=${e.image&&t`<button type="button" class="button small" aria-label=${`Restart in ${o}`} onClick=${()=>Ct(e,o)}><${k} name="reload" size=${14} />Restart…</button>`}>
    ${a&&t`<p class=${`going-said ${r==="bad"?"bad-text":""}`}>${a}</p>`}
    <${qe}
      rows=${[["Started",s.started_at?t`<${X} at=${s.started_at} />`:null],["Restarts",s.restart_count],["Starts again",s.state==="scheduled"&&s.restart_scheduled_at?de(s.restart_scheduled_at):null],["Last end",s.last_exit_at?t`with ${s.last_exit_code}, <${X} at=${s.last_exit_at} />`:null],["Container",s.container_id?t`<code>${s.container_id}</code>`:null],...u.map(l=>[`Port ${l.num}`,l.liveness_status==="not_configured"?"open":t`<${N} tone=${l.liveness_status==="ready"?"ok":"warn"}>${l.liveness_status==="ready"?"answers":"does not answer"}<//> <span class="mono muted">${l.liveness}</span>${l.last_error&&t` <span class="bad-text">${l.last_error}</span>`}`])]}
    />
    ${s.events.length>0&&t`<ol class="happened" aria-label=${`Events in ${o}, newest first`}>
      ${[...s.events].reverse().map(l=>t`<li key=${`${l.reason} ${l.message}`} class="happening">
          <span class="muted" title=${de(l.last_timestamp)}><${X} at=${l.last_timestamp} /></span>
          <${N} tone=${l.type==="Warning"?"warn":"idle"}>${l.reason}${l.count>1?` ×${l.count}`:""}<//>
          <span class="happening-text">${l.message}</span>
        </li>`)}
    </ol>`}
  <//>`}var Tt=1.5,je=1e3;function Qe({service:e,rooms:o}){let[s,r]=$(o[0]),[n,a]=$(!1),u=o.includes(s)?s:o[0],m=async({signal:c})=>v(`${await w("rooms",u,"services",e.id,"logs")}?previous=${n}`,{signal:c}),{data:l,error:d,reload:i}=C(m,[u,n],{every_s:n?0:Tt});return u?t`<div class="session-pane">
    <div class="toolbar">
      ${o.length>1&&t`<select class="select" aria-label="Room" value=${u} onChange=${c=>r(c.currentTarget.value)}>${o.map(c=>t`<option key=${c} value=${c}>${c}</option>`)}</select>`}
      <button type="button" class="button" aria-pressed=${String(!n)} onClick=${()=>a(!1)}>Running</button>
      <button type="button" class="button" aria-pressed=${String(n)} onClick=${()=>a(!0)}>Before</button>
    </div>
    ${d&&!l&&t`<${_} error=${d} retry=${i} />`}
    ${!l&&!d&&t`<${x} rows=${5} label="Loading the log" />`}
    ${l&&t`<${Et} lines=${l.lines} none=${n?"No container of it has ended":"It wrote nothing"} />`}
  </div>`:t`<${T} icon="file" title="It runs nowhere"><p>Logs are kept as long as the room is open.</p><//>`}function Et({lines:e,none:o="Nothing was written"}){let[s,r]=$(""),[n,a]=$(!0),u=j(null),m=j(0),l=G(()=>s?e.filter(c=>c.toLowerCase().includes(s.toLowerCase())):e,[e,s]),d=l.slice(-je);pe(()=>{!n||!u.current||(u.current.scrollTop=u.current.scrollHeight,m.current=u.current.scrollTop)},[d.length,d.at(-1),n]),M(()=>a(!0),[s]);let i=()=>{let{scrollTop:c,scrollHeight:b,clientHeight:p}=u.current,S=c<m.current-4;m.current=c,b-c-p<24?a(!0):S&&a(!1)};return e.length?t`<div class="toolbar">
      <${ne} value=${s} onInput=${r} placeholder="Search the log" />
      <span class="muted">${s?`${L(l.length)} of ${B(e.length,"line")}`:B(e.length,"line")}</span>
      <${J} text=${()=>l.join(`
`)} title="Copy the lines" />
    </div>
    <div class="log-frame">
      <ol class="log plain-log" ref=${u} onScroll=${i} tabindex="0" aria-label="Log, newest last">
        ${l.length>je&&t`<li class="log-gap">${L(l.length-je)} earlier lines are not shown.</li>`}
        ${d.map((c,b)=>t`<li key=${b} class=${c.startsWith("--- container ")?"log-gap":"log-text"}>${Ge(c)}</li>`)}
      </ol>
      ${!n&&t`<button type="button" class="button log-end" onClick=${()=>a(!0)}><${k} name="down" />Newest</button>`}
    </div>`:t`<${T} icon="file" title=${o}><p>What its containers print shows up here as they write it.</p><//>`}function Ze({service:e,onChanged:o}){let s=async({signal:h})=>v(`${await Y(e.room,e.id)}/revisions`,{signal:h}),{data:r,error:n,reload:a}=C(s,[e.id,e.revision]),[u,m]=$(null),[l,d]=$(null);if(n&&!r)return t`<div class="session-pane"><${_} error=${n} retry=${a} /></div>`;if(!r)return t`<div class="session-pane"><${x} rows=${5} label="Loading revisions" /></div>`;let i=r.revisions,c=i.find(h=>h.revision===u)??i[0],b=i.filter(h=>h.revision<c.revision),p=b.find(h=>h.revision===l)??b[0],S=async()=>{let h=`Its manifest, its image and the versions of its secrets become those of revision ${c.revision} again, as a new revision. ${e.room?"Its room follows at once.":"Rooms follow when they open next."}`;if(await K({title:`Roll ${e.name} back to revision ${c.revision}?`,text:h,action:"Roll back"}))try{await O(`${await Y(e.room,e.id)}/rollback`,{revision:c.revision}),E({text:`${e.name} is back at revision ${c.revision}.`,tone:"ok"}),m(null),o()}catch(g){F(g)}};return t`<div class="session-pane revisions">
    <ul class="revision-list" aria-label="Revisions, newest first">
      ${i.map(h=>t`<li key=${h.revision}><button type="button" class=${fe("revision",h===c&&"chosen")} aria-pressed=${String(h===c)} onClick=${()=>(m(h.revision),d(null))}>
          <strong>${h.revision}</strong><span>${h.what}${h.is_current&&t` <${W} tone="ok">in force<//>`}</span>
          <span class="muted revision-by"><${X} at=${h.at} /> ${h.by&&`by ${h.by}`}</span>
        </button></li>`)}
    </ul>
    <div class="revision-shown">
      <div class="toolbar">
        <span>Revision ${c.revision}${p?" against":", the oldest that is kept"}</span>
        ${p&&t`<select class="select" aria-label="Compared with" value=${String(p.revision)} onChange=${h=>d(Number(h.currentTarget.value))}>${b.map(h=>t`<option key=${h.revision} value=${String(h.revision)}>${h.revision}: ${h.what}</option>`)}</select>`}
        <span class="spread" />
        ${!c.is_current&&t`<button type="button" class="button" onClick=${S}><${k} name="reload" size=${14} />Roll back to ${c.revision}…</button>`}
      </div>
      ${c.image_digest&&t`<p class="muted">Its image was <code>${c.image_digest}</code></p>`}
      ${p&&t`<${It} service=${e} old=${p.revision} new=${c.revision} />`}
    </div>
  </div>`}function It({service:e,old:o,new:s}){let r=async({signal:m})=>v(`${await Y(e.room,e.id)}/diff?old=${o}&new=${s}`,{signal:m}),{data:n,error:a,reload:u}=C(r,[e.id,o,s]);return a&&!n?t`<${_} error=${a} retry=${u} />`:n?n.diff?t`<pre class="code diff" tabindex="0" aria-label=${`What revision ${s} changed`}>${n.diff.trimEnd().split(`
`).filter(m=>!/^(---|\+\+\+) /.test(m)).map((m,l)=>t`<span key=${l} class=${Nt[m[0]]??""}>${m}${`
`}</span>`)}</pre>`:t`<p class="muted">The manifests are alike; versions of secrets differ.</p>`:t`<${x} rows=${4} label="Comparing" />`}var Nt={"+":"added","-":"taken","@":"hunk"};function le({title:e,action:o,busyText:s="Saving…",onSend:r,onClose:n,disabled:a=!1,wide:u=!1,children:m}){let[l,d]=$(!1),[i,c]=$(null),b=j(null);M(()=>b.current.querySelector("input, select, textarea")?.focus(),[]);let p=async S=>{if(S.preventDefault(),!(l||a)){d(!0),c(null);try{await r()}catch(h){c(h),d(!1)}}};return t`<${ge}
    title=${e}
    wide=${u}
    onClose=${n}
    footer=${t`<button type="button" class="button" onClick=${n}>Cancel</button><button type="submit" form="form-dialog" class="button primary" disabled=${l||a}>${l?s:o}</button>`}
  >
    <form id="form-dialog" class="form" ref=${b} onSubmit=${p} novalidate autocomplete="off">
      ${m}
      ${i&&t`<p class="form-error" role="alert">${i.title??"It failed"}${i.detail?`: ${i.detail}`:i.title?"":`: ${i.message}`}</p>`}
    </form>
  <//>`}var D=({name:e,label:o,hint:s,error:r,children:n})=>t`<div class="field">
  <label for=${e}>${o}</label>${n}
  ${r?t`<p class="error" id=${`${e}-hint`} role="alert">${r}</p>`:s&&t`<p class="hint" id=${`${e}-hint`}>${s}</p>`}
</div>`;var Rt=250;function Xe(e){let[o,s]=$({said:null,of:"",error:null}),r=JSON.stringify(e),n=j(!0);return M(()=>{let a=new AbortController,u=setTimeout(async()=>{try{let m=await O(await w("manifests","check"),e,{signal:a.signal});a.signal.aborted||s({said:m,of:r,error:null})}catch(m){a.signal.aborted||s(l=>({...l,of:r,error:m}))}},n.current?0:Rt);return n.current=!1,()=>{clearTimeout(u),a.abort()}},[r]),{said:o.said,isOld:o.of!==r,error:o.error}}var At={error:"bad",warning:"warn",note:"busy"},Ot=5e3;function et({text:e,onInput:o,check:s,label:r="Manifest"}){let n=j(null),a=j(null),u=j(!1),m=(s.said?.problems??[]).filter(p=>!p.path.startsWith("values.")),l=G(()=>{let p=new Map;for(let S of[...m].reverse())p.set(S.line,S.severity);return p},[s.said]),d=Math.min(Ot,e.split(`
`).length),i=()=>a.current.scrollTop=n.current.scrollTop;pe(i,[d]);let c=({line:p,column:S})=>{let g=e.split(`
`).slice(0,p-1).reduce((f,y)=>f+y.length+1,0)+S-1;n.current.focus(),n.current.setSelectionRange(g,g);let R=parseFloat(getComputedStyle(n.current).lineHeight);n.current.scrollTop=Math.max(0,(p-4)*R)},b=p=>{p.key==="Escape"?u.current=!0:p.key==="Tab"&&!p.shiftKey&&!u.current&&!p.ctrlKey&&!p.altKey?(p.preventDefault(),document.execCommand("insertText",!1,"  ")):p.key!=="Shift"&&(u.current=!1)};return t`<div class="editor">
    <div class="editor-frame">
      <div class="editor-gutter" ref=${a} aria-hidden="true">${Array.from({length:d},(p,S)=>t`<span key=${S} class=${fe(l.has(S+1)&&`mark-${l.get(S+1)}`)}>${S+1}</span>`)}</div>
      <textarea ref=${n} class="editor-text" aria-label=${r} aria-describedby="editor-said" aria-invalid=${m.some(p=>p.severity==="error")?"true":void 0} spellcheck=${!1} autocapitalize="off" autocomplete="off" wrap="off" value=${e} onInput=${p=>o(p.currentTarget.value)} onScroll=${i} onKeyDown=${b}></textarea>
    </div>
    <div id="editor-said" class="editor-said" role="status">
      ${Lt(s,m)}
      ${s.said?.mended&&t`<button type="button" class="button small" onClick=${()=>o(s.said.mended)}><${k} name="check" size=${14} />Mend what is sure</button>`}
    </div>
    ${m.length>0&&t`<ul class="problems" aria-label="What is wrong">
      ${m.map((p,S)=>t`<li key=${S}><button type="button" class="problem" onClick=${()=>c(p)}>
          <span class="problem-at mono">${p.line}:${p.column}</span><${N} tone=${At[p.severity]}>${p.severity}<//>
          <span class="problem-text">${p.path&&t`<span class="mono">${p.path}</span>: `}${p.text}</span>
        </button></li>`)}
    </ul>`}
  </div>`}function Lt({said:e,error:o,isOld:s},r){if(o)return t`<${N} tone="warn">It could not be looked at: ${o.message}<//>`;if(!e)return t`<${N} tone="busy">Looking at it…<//>`;let n=r.filter(u=>u.severity==="error").length,a=s?"…":"";return n?t`<${N} tone="bad">${B(n,"error")}${a}<//>`:t`<${N} tone="ok">${e.kind==="ServiceTemplate"?"A template that can be used":"A service that can be used"}${a}<//>`}function tt({variables:e,values:o,onChange:s,problems:r,touched:n,onTouch:a,isTried:u}){return e.length?t`<div class="form template-form">
    ${e.map(m=>{let l=r.find(({path:p})=>p===`values.${m.name}`),d=l&&(u||n.has(m.name))?l.text:"",i=`value-${m.name}`,c={id:i,"aria-invalid":d?"true":void 0,"aria-describedby":d||m.description?`${i}-hint`:void 0,"aria-required":m.is_optional?void 0:"true",value:o[m.name]??"",onBlur:()=>a(m.name)},b=p=>s({...o,[m.name]:p.currentTarget.value});return t`<${D} key=${m.name} name=${i} label=${t`${m.title||m.name}${m.is_optional&&t` <span class="muted">optional</span>`}`} hint=${m.description||" "} error=${d}>${Dt(m,c,b)}<//>`})}
  </div>`:t`<p class="muted">The template takes no values.</p>`}function Dt(e,o,s){return e.words.length?t`<select class="select" ...${o} onChange=${s}>
      <option value="">${e.is_optional?"(none)":"Choose…"}</option>
      ${e.words.map(r=>t`<option key=${r} value=${r}>${r}</option>`)}
    </select>`:e.is_obscure?t`<input class="input mono" type="password" autocomplete="new-password" ...${o} onInput=${s} />`:e.kind==="email"?t`<input class="input" type="email" autocomplete="email" placeholder="ada@example.org" ...${o} onInput=${s} />`:t`<input class="input" type="text" spellcheck=${!1} ...${o} onInput=${s} />`}function ke({start:e,action:o,onSend:s,fixedRoom:r=!1,children:n}){let[a,u]=$(e.text),[m,l]=$(e.values??{}),[d,i]=$(new Set),[c,b]=$(!1),[p,S]=$(e.room??""),[h,g]=$(!e.room),[R,f]=$(!1),[y,q]=$(null),[Ce,We]=$(/^kind:\s*["']?ServiceTemplate/m.test(e.text)),Ke=Mt(m),U=Xe({text:a,creating:!r,values:Ce?Ke:null});M(()=>{U.said?.variables.length?We(!0):U.said?.kind==="Service"&&We(!1)},[U.said]),M(()=>{if(a===e.text)return;let z=$e=>$e.preventDefault();return addEventListener("beforeunload",z),()=>removeEventListener("beforeunload",z)},[a]);let St=async z=>{if(z.preventDefault(),b(!0),q(null),U.isOld||!U.said)return;if(!U.said.valid)return document.querySelector('.write [aria-invalid="true"]')?.focus();let $e=h||r?"":ye(p.trim());if($e)return q({title:$e});f(!0);try{await s(Ce?{template:a,values:Ke}:U.said.manifest,h?"":p.trim())}catch(_t){q(_t)}f(!1)},xt=U.said?.variables??[];return t`<form class="write" onSubmit=${St} novalidate autocomplete="off">
    ${!r&&t`<${A} title="Where it runs">
      <div class="where" role="radiogroup" aria-label="Where it runs">
        <label class="check"><input type="radio" name="where" checked=${h} onChange=${()=>g(!0)} /> In every room, from its next opening</label>
        <label class="check"><input type="radio" name="where" checked=${!h} onChange=${()=>g(!1)} /> In one room, at once where it is open</label>
        ${!h&&t`<${D} name="service-room" label="Room"><input id="service-room" class="input" list="rooms-known" spellcheck=${!1} value=${p} onInput=${z=>S(z.currentTarget.value)} />
          <datalist id="rooms-known">${(me.value??[]).map(z=>t`<option key=${z.name} value=${z.name} />`)}</datalist><//>`}
      </div>
    <//>`}
    <${A} title="Manifest"><${et} text=${a} onInput=${u} check=${U} /><//>
    ${Ce&&t`<${A} title="Values"><${tt} variables=${xt} values=${m} onChange=${l} problems=${U.said?.problems??[]} touched=${d} onTouch=${z=>i(new Set([...d,z]))} isTried=${c} /><//>`}
    ${y&&t`<p class="form-error" role="alert">${y.title??y.message}${y.detail?`: ${y.detail}`:""}</p>`}
    <div class="buttons"><button type="submit" class="button primary" disabled=${R||U.isOld}>${R?"Saving…":o}</button>${n}</div>
  </form>`}function Mt(e){return Object.fromEntries(Object.entries(e).filter(([,o])=>o!==""))}var jt=/^[A-Za-z_/](?:[A-Za-z0-9_./@ -]|:(?=[A-Za-z0-9_./@-]))*$/,Pt=/^(?:y|n|yes|no|on|off|true|false|null|~|nan|inf|[-+]?\.?inf)$/i;function xe(e){return`${Pe(e,"").join(`
`)}
`}function Pe(e,o){return Array.isArray(e)?e.flatMap(s=>{if(!st(s))return[`${o}- ${ot(s)}`];let[r,...n]=Pe(s,`${o}  `);return[`${o}- ${r.slice(o.length+2)}`,...n]}):Object.entries(e).flatMap(([s,r])=>Ft(r)?[`${o}${Se(s)}: ${r.endsWith(`
`)?"|":"|-"}`,...r.trimEnd().split(`
`).map(n=>n?`${o}  ${n}`:"")]:st(r)?[`${o}${Se(s)}:`,...Pe(r,`${o}  `)]:[`${o}${Se(s)}: ${ot(r)}`])}var Ft=e=>typeof e=="string"&&/^\S.*\n/.test(e)&&!/[\t\r\u0080-\u00a0\u2028\u2029\ufeff]|[ ]\n|\n\n$|\s$(?<!\S\n)/.test(e),st=e=>e!==null&&typeof e=="object"&&Object.keys(e).length>0;function ot(e){return Array.isArray(e)?"[]":e!==null&&typeof e=="object"?"{}":typeof e=="string"?Se(e):String(e)}function Se(e){return jt.test(e)&&!Pt.test(e)&&e===e.trim()?e:JSON.stringify(e)}var Bt=2,ce={href:`${I("/services")}?tab=deployed`,label:"Services"},rt=[{id:"state",label:"State"},{id:"log",label:"Log"},{id:"revisions",label:"Revisions"},{id:"manifest",label:"Manifest"}],nt="meshagent.service.template.yaml",Wt="meshagent.service.template.values";function Kt({id:e}){let{data:o,error:s,reload:r}=C(async({signal:a})=>v(await w("service-states"),{signal:a}),[],{every_s:Bt});if(s&&!o)return t`<${H} title="Service" back=${ce}><${_} error=${s} retry=${r} /><//>`;if(!o)return t`<${H} title="Service" back=${ce}><${x} rows=${6} /><//>`;let n=o.services.find(a=>a.id===e);return n?t`<${qt} service=${n} onChanged=${r} />`:t`<${H} title="Service" back=${ce}><${T} icon="services" title="No such service"><p>It was deleted, or never was.</p><p><a class="button" href=${ce.href}>All services</a></p><//><//>`}function qt({service:e,onChanged:o}){let s=V.value.query.get("tab"),r=rt.some(d=>d.id===s)?s:"state",n=Object.keys(e.states).sort(),{tone:a,word:u,sentence:m}=te(e),l=d=>P({tab:d==="state"?null:d},{push:!0});return t`<${H}
    title=${e.name}
    back=${ce}
    class="services service"
    meta=${t`<${N} tone=${a}>${u}<//><span>${e.room?t`in <a href=${I("/rooms",e.room)}>${e.room}</a>`:"in every room"}</span><${W}>revision ${e.revision}<//>`}
    actions=${t`<${Ut} service=${e} onChanged=${o} />`}
  >
    <section class="card flush session-more">
      <${ie} tabs=${rt} current=${r} onChange=${l} label="Parts of the service" />
      ${r==="state"&&t`<div class="session-pane">
        ${n.map(d=>t`<${Ye} key=${d} service=${e} room=${d} state=${e.states[d]} />`)}
        ${!n.length&&t`<${T} icon="services" title=${e.is_enabled?"It runs in no room":"It is disabled"}><p>${e.is_enabled?m:"Enable it, and rooms start it again."}</p><//>`}
      </div>`}
      ${r==="log"&&t`<${Qe} service=${e} rooms=${n} />`}
      ${r==="revisions"&&t`<${Ze} service=${e} onChanged=${o} />`}
      ${r==="manifest"&&t`<${zt} key=${e.revision} service=${e} onChanged=${o} />`}
    </section>
  <//>`}function Ut({service:e,onChanged:o}){let[s,r]=$(!1),n=m=>async()=>{r(!0),await m().catch(F),r(!1)},a=n(async()=>{let{name:m}=e;e.is_enabled&&!await K({title:`Disable ${m}?`,text:"Where it runs it ends at once, in every room. It is kept, and can be enabled again.",action:"Disable"})||(await we(e,{...await ve(e),enabled:!e.is_enabled}),E({text:`${m} is ${e.is_enabled?"disabled":"enabled"}.`,tone:"ok"}),o())}),u=n(async()=>{await K({title:`Delete ${e.name}?`,text:"Where it runs it ends at once. Its revisions are forgotten, too; this cannot be undone.",action:"Delete",tone:"bad"})&&(await Z(await Y(e.room,e.id)),E({text:`${e.name} is deleted.`,tone:"ok"}),se(ce.href))});return t`<button type="button" class="button" disabled=${s} onClick=${a}><${k} name=${e.is_enabled?"pause":"play"} />${e.is_enabled?"Disable…":"Enable"}</button>
    <button type="button" class="button danger" disabled=${s} onClick=${u}><${k} name="close" />Delete…</button>`}function zt({service:e,onChanged:o}){let{data:s,error:r,reload:n}=C(()=>ve(e),[e.id]);if(r&&!s)return t`<div class="session-pane"><${_} error=${r} retry=${n} /></div>`;if(!s)return t`<div class="session-pane"><${x} rows=${8} label="Loading the manifest" /></div>`;let a=async u=>{let m=await we(e,u);E({text:`${m.metadata.name} is changed.`,tone:"ok"}),o()};return t`<div class="session-pane"><${ke} start=${Gt(s)} action="Save as a new revision" onSend=${a} fixedRoom /></div>`}function Gt({id:e,...o}){let s=o.metadata.annotations??{};return s[nt]?{text:s[nt],values:JSON.parse(s[Wt]||"{}")}:{text:xe(o)}}function at({endpoint:e,onClose:o}){let[s,r]=$(""),[n,a]=$(!1),[u,m]=$(null),l=j(null);M(()=>{v("/studio/me").then(i=>r(c=>c||i.default_room||me.peek()?.[0]?.name||""),()=>{}),l.current?.focus()},[]);let d=async i=>{i.preventDefault();let c=s.trim(),b=ye(c);if(b){m(c?{title:b}:{title:"Say into which room",detail:"A room that does not exist yet is made."}),l.current.focus();return}a(!0),m(null);try{await O(e.path,{event:"room.call",data:{room_name:c}},{headers:{Prefer:"wait=15"}}),E({text:`${e.identity} is called into ${c}.`,tone:"ok",link:I("/rooms",c),linkText:"Open the room"}),o()}catch(p){m(p),a(!1)}};return t`<${ge}
    title=${`Call ${e.identity} into a room`}
    onClose=${o}
    footer=${t`<button type="button" class="button" onClick=${o}>Cancel</button><button type="submit" form="call-form" class="button primary" disabled=${n}>${n?"Calling…":"Call"}</button>`}
  >
    <form id="call-form" class="call-form" onSubmit=${d} novalidate>
      <div class="field">
        <label for="call-room">Room</label>
        <input ref=${l} id="call-room" class="input" type="text" name="room" list="rooms-known" autocomplete="off" spellcheck=${!1} value=${s} aria-invalid=${u?"true":void 0} aria-describedby="call-about" onInput=${i=>r(i.currentTarget.value)} />
        <datalist id="rooms-known">${(me.value??[]).map(i=>t`<option key=${i.name} value=${i.name} />`)}</datalist>
      </div>
      <p id="call-about" class="hint muted">A new session of <span class="mono">${e.path}</span> starts in a process of its own and joins this room as ${e.identity}.</p>
      ${u&&t`<p class="call-error" role="alert">${u.title}${u.detail?`: ${u.detail}`:""}</p>`}
    </form>
  <//>`}var Ht=2,Vt=[{id:"name",label:"Service",sort:e=>e.name,cell:e=>t`<a href=${I("/services",e.id)}><strong>${e.name}</strong></a>`},{id:"room",label:"Room",sort:e=>e.room,cell:e=>e.room?t`<a href=${`${I("/rooms",e.room)}?tab=services`}>${e.room}</a>`:t`<span class="muted">every room</span>`},{id:"state",label:"State",sort:e=>te(e).word,cell:e=>t`<${Jt} service=${e} />`},{id:"image",label:"Image",hide:"narrow",sort:e=>e.image,cell:e=>e.image?t`<span class="mono">${e.image}</span>`:t`<span class="muted">runs elsewhere</span>`},{id:"revision",label:"Revision",align:"right",hide:"narrow",sort:e=>e.revision,cell:e=>e.revision},{id:"restarts",label:"Restarts",align:"right",hide:"medium",sort:it,first:"desc",cell:e=>it(e)||""},{id:"changed",label:"Changed",hide:"medium",sort:e=>e.updated_at,first:"desc",cell:e=>t`<${X} at=${e.updated_at} />`}];function Jt({service:e}){let{tone:o,word:s,sentence:r}=te(e);return t`<span title=${r}><${N} tone=${o}>${s}<//>${r&&o!=="idle"&&t` <span class="muted">${r}</span>`}</span>`}function it(e){return Object.values(e.states).reduce((o,s)=>o+s.restart_count,0)}function lt({wanted:e}){let{data:o,error:s,reload:r}=C(async({signal:a})=>v(await w("service-states"),{signal:a}),[],{every_s:Ht}),n=G(()=>(o?.services??[]).filter(a=>ae(e,[a.name,a.room,a.image,te(a).word])),[o,e]);return s&&!o?t`<${_} error=${s} retry=${r} />`:o?o.services.length?n.length?t`<${be} label="Deployed services" columns=${Vt} rows=${n} rowKey=${a=>a.id} rowTone=${a=>te(a).tone==="bad"?"bad":""} onOpen=${a=>se(I("/services",a.id))} grow keys />`:t`<${T} icon="search" title="No service matches"><button class="button" onClick=${()=>P({q:null})}>Show all</button><//>`:t`<${T} icon="services" title="No service is deployed">
      <p>A service is a manifest that this server keeps: whoever enters a room first starts it, in a container or as a process.</p>
      <p><a class="button primary" href=${I("/services","new")}><${k} name="plus" />New service</a></p>
      <p><code>bulkhead service create FILE --room ROOM</code> does the same.</p>
    <//>`:t`<${x} rows=${5} label="Loading services" />`}var Yt={memory_bytes:["memory",re],cpu:["processor",ze],cpu_total_s:["processor time in all",ee],pids:["processes and threads",L],files:["open files",L],file_size_bytes:["largest file",re],disk_bytes:["disk",re],timeout_s:["longest life",ee],idle_timeout_s:["longest idle",ee],concurrency:["sessions at once",L]};function ct(e,o){return Object.entries(e??{}).map(([s,r])=>{let[n,a]=Yt[s]??[s.replaceAll("_"," "),String];return[n,a(r),o?.[s]??""]})}var mt=[["endpoint","Endpoint"],["identity","Identity"],["room","Room"],["session","Session"],["day","Day"]],Qt=[["","All that is known"],["1h","The last hour"],["24h","The last day"],["168h","The last week"]],Q=(e,o,s,r={})=>({id:e,label:o,align:"right",first:"desc",sort:n=>n[e],cell:n=>s(n[e]),...r}),Zt=[Q("sessions","Sessions",L),Q("restarts","Restarts",L,{hide:"medium"}),Q("turns","Turns",L,{hide:"narrow"}),Q("messages","Messages",L,{hide:"medium"}),Q("cpu_s","Processor",ee),Q("peak_bytes","Peak memory",re),Q("memory_gib_s","GiB · s",Re,{hide:"medium"}),Q("tokens_in","Tokens in",L,{hide:"narrow"}),Q("tokens_out","Tokens out",L,{hide:"narrow"}),{id:"cost",label:"Cost",align:"right",first:"desc",sort:e=>e.cost_usd,cell:$t}];function $t(e){if(!(e.tokens_in+e.tokens_out))return"–";let s=e.cost_usd?e.cost_usd<.01?"<$0.01":`$${e.cost_usd.toFixed(2)}`:e.unpriced_tokens?"":"$0";return e.unpriced_tokens?t`<span title=${`${L(e.unpriced_tokens)} tokens without a price`}>${s?`${s} + ?`:"?"}</span>`:s}function pt(){let[e,o]=$("endpoint"),[s,r]=$(""),n=`by=${e}${s?`&since=${s}`:""}`,{data:a,error:u,reload:m}=C(({signal:c})=>v(`/usage?${n}`,{signal:c}),[e,s],{every_s:10}),d=[{id:"name",label:mt.find(([c])=>c===e)[1],class:"grow",sort:c=>c.name,cell:c=>t`<span class="mono">${c.name||"–"}</span>`},...Zt],i=(a?.rows??[]).map(c=>({...c,name:c[a.by]}));return t`
    <div class="usage-choice">
      <${ut} label="By" options=${mt} value=${e} onChange=${o} />
      <${ut} label="Ended within" options=${Qt} value=${s} onChange=${r} />
    </div>
    ${u&&!a&&t`<${_} error=${u} retry=${m} />`}
    ${!a&&!u&&t`<${x} rows=${5} label="Loading usage" />`}
    ${a&&!i.length&&t`<${T} icon="services" title="Nothing was used"><p>Sessions that run, or that ended in this time, are added up here.</p><//>`}
    ${a&&i.length>0&&t`<${be} label=${`Usage by ${e}`} columns=${d} rows=${i} rowKey=${c=>c.name} initialSort=${{by:"cpu_s",down:!0}} grow=${!0} keys>
        <${Xt} total=${a.total} prices=${a} />
      <//>`}
  `}var Xt=({total:e,prices:o})=>t`<p class="usage-sum">
  Together <strong>${L(e.sessions)}</strong> sessions, <strong>${ee(e.cpu_s)}</strong> of processor, <strong>${Re(e.memory_gib_s)}</strong> GiB · s of memory, <strong>${L(e.tokens_in+e.tokens_out)}</strong> tokens, <strong>${$t(e)}</strong>.
  <span class="muted">List prices of ${o.prices_as_of}, without discounts.${o.unpriced.length?` No price for ${o.unpriced.join(", ")}: set usage.prices.`:""}</span>
</p>`,ut=({label:e,options:o,value:s,onChange:r})=>t`<label class="choice"><span class="muted">${e}</span>
  <select class="select" value=${s} onChange=${n=>r(n.currentTarget.value)}>
    ${o.map(([n,a])=>t`<option key=${n} value=${n} selected=${n===s}>${a}</option>`)}
  </select>
</label>`;var es={ready:"ok",loading:"busy",failed:"bad"},ft=[{id:"services",label:"Agents"},{id:"deployed",label:"Deployed"},{id:"usage",label:"Usage"},{id:"manifest",label:"Manifest"}];function ts(){let e=V.value.query,o=e.get("tab"),s=ft.some(({id:a})=>a===o)?o:"services",r=e.get("q")??"",n=Ie.value;return t`<${H}
    title="Services"
    class="services"
    actions=${s==="services"&&n?.length>1||s==="deployed"?t`<${ne} value=${r} onInput=${a=>P({q:a})} placeholder="Filter services" /><a class="button primary" href=${I("/services","new")}><${k} name="plus" />New service</a>`:null}
  >
    <${ie} label="Parts of services" current=${s} onChange=${a=>P({tab:a==="services"?null:a,q:null},{push:!0})} tabs=${ft} />
    ${s==="services"&&t`<${ss} wanted=${r} />`}
    ${s==="deployed"&&t`<${lt} wanted=${r} />`}
    ${s==="usage"&&t`<${pt} />`}
    ${s==="manifest"&&t`<${ns} />`}
  <//>`}function ss({wanted:e}){let o=Ie.value,s=Ue.value??[],[r,n]=$(null),a=G(()=>ht(Ee.value??[],d=>d.exit?null:d.endpoint),[Ee.value]),u=G(()=>ht(Ne.value??[],d=>d.endpoint,d=>d.count),[Ne.value]);if(o===null)return t`<${x} rows=${6} label="Loading services" />`;if(!o.length)return t`<${T} icon="services" title="No agent is loaded">
      <p>Put a file such as <code>main.py</code> with a <code>ServiceHost</code> into the folder of agents; it is loaded as soon as it is saved. <code>bulkhead demo</code> shows examples.</p>
    <//>`;let m=o.filter(d=>{let i=s.filter(c=>c.bundle===d.name);return ae(e,[d.name,d.source,d.state,d.error??"",...i.flatMap(c=>[c.path,c.identity,c.class,Ae(c.kind),c.description])])}),l=[...m].sort((d,i)=>!!i.error-!!d.error||d.name.localeCompare(i.name));return t`
    ${!m.length&&t`<${T} icon="search" title="No service matches"><button class="button" onClick=${()=>P({q:null})}>Show all</button><//>`}
    <div class="bundles">${l.map(d=>t`<${os} key=${d.name} bundle=${d} paths=${s.filter(i=>i.bundle===d.name)} running=${a} crashed=${u} onCall=${n} />`)}</div>
    ${r&&t`<${at} endpoint=${r} onClose=${()=>n(null)} />`}
  `}function os({bundle:e,paths:o,running:s,crashed:r,onCall:n}){let a=o.filter(l=>l.state==="ready"&&l.path),u=e.error&&a.length?Math.max(...a.map(l=>l.code_generation)):0,m=t`<span class="bundle-title"><span class="bundle-name">${e.name}</span><${W} tone=${es[e.state]??"idle"}>${e.state}<//></span>`;return t`<${A} title=${m} flush class="bundle" actions=${t`<span class="bundle-source mono muted" title=${e.source}><bdi>${e.source}</bdi></span><${J} text=${e.source} title="Copy the path" />`}>
    ${e.error&&t`<div class="bundle-error" role="alert">
      <p><strong>${Oe(e.error)}</strong></p>
      ${u?t`<p>Generation ${u} keeps serving; fix it and save again.</p>`:null}
      ${e.detail&&t`<details open><summary>Traceback</summary><div class="fold-body"><pre tabindex="0">${Oe(e.detail).trimEnd()}</pre><${J} text=${e.detail} title="Copy the traceback" /></div></details>`}
    </div>`}
    ${a.length>0&&t`<ul class="endpoints">
      ${a.map(l=>t`<${rs} key=${l.path} endpoint=${l} generation=${e.code_generation} running=${s.get(l.path)??0} crashed=${r.get(l.path)??0} onCall=${n} />`)}
    </ul>`}
    <p class="bundle-foot muted">
      <span>code generation ${e.code_generation}</span>
      ${e.pid!==null&&t`<span title="The process that has imported the program; sessions are forked from it">template pid <span class="mono">${e.pid}</span></span>`}
      <span title="Processes that were forked early and wait for a session">${B(e.parked,"process","processes")} parked</span>
      ${e.threads.length>0&&t`<span class="tone-warn-text">its import leaves ${e.threads.length===1?"a thread":"threads"} running (${e.threads.join(", ")}): each session starts a fresh interpreter</span>`}
    </p>
  <//>`}function rs({endpoint:e,generation:o,running:s,crashed:r,onCall:n}){let a=ct(e.limits,e.limit_sources);return t`<li class="endpoint">
    <div class="endpoint-head">
      <span class="endpoint-path mono">${e.path}</span>
      <span class="endpoint-who">as <strong>${e.identity}</strong></span>
      <${W}>${Ae(e.kind)}<//>
      ${e.class&&t`<span class="mono muted">${e.class}</span>`}
    </div>
    <p class="endpoint-about">${e.title&&e.title!==e.identity?t`<strong>${e.title}</strong>${e.description?": ":""}`:""}${e.description}</p>
    <div class="endpoint-foot">
      <a href=${`${I("/sessions")}?q=${encodeURIComponent(e.path)}`}><${N} tone=${s?"ok":"idle"}>${B(s,"session")}<//></a>
      ${r>0&&t`<a href=${`${I("/crashes")}?q=${encodeURIComponent(e.path)}`}><${N} tone="bad">${B(r,"crash","crashes")}<//></a>`}
      ${e.code_generation!==o&&t`<span class="tone-warn-text">still generation ${e.code_generation}</span>`}
      ${a.length>0&&t`<details class="limits">
        <summary>Limits</summary>
        <table><tbody>${a.map(([u,m,l])=>t`<tr key=${u}><th scope="row">${u}</th><td>${m}</td><td class="muted">${l}</td></tr>`)}</tbody></table>
      </details>`}
      <button type="button" class="button endpoint-call" onClick=${()=>n(e)}>Call into a room…</button>
    </div>
  </li>`}function ns(){let{data:e,error:o,reload:s}=C(({signal:n})=>v("/.well-known/meshagent-service.json",{signal:n}),[]);if(o)return t`<${_} error=${o} retry=${s} />`;if(!e)return t`<${x} rows=${8} label="Loading the manifest" />`;let r=xe(e);return t`<p class="muted">This server's agents as one service. <code>bulkhead service spec</code> prints it for one program, with a name, an image or an address of your own.</p>
    <${A} title="meshagent.yaml" flush actions=${t`<${J} label="Copy" title="Copy the manifest" text=${r} />`}><pre class="manifest" tabindex="0">${r}</pre><//>`}function ht(e,o,s=()=>1){let r=new Map;for(let n of e){let a=o(n);a!==null&&r.set(a,(r.get(a)??0)+s(n))}return r}var Fe=`version: v1
kind: Service
metadata:
  name: greeter
ports:
  - num: "*"
    liveness: /
    endpoints:
      - path: /greeter
        meshagent:
          identity: greeter
container:
  image: registry.example.org/greeter:1
`,gt=`version: v1
kind: ServiceTemplate
metadata:
  name: greeter
variables:
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
ports:
  - num: "*"
    liveness: /
    endpoints:
      - path: /greeter
        meshagent:
          identity: greeter
container:
  image: registry.example.org/greeter:1
  environment:
    - name: TONE
      value: "{tone}"
    - name: OWNER
      value: "{owner}"
    - name: SEARCH_KEY
      value: "{search_key}"
`;function as(){let[e,o]=$({text:Fe,at:0}),s=V.value.query.get("room")??"",r=async(a,u)=>{let m=await He(u,a);E({text:`${m.metadata.name} is deployed.`,tone:"ok"}),se(I("/services",m.id))},n=t`<button type="button" class="button" aria-pressed=${String(e.text===Fe)} onClick=${()=>o({text:Fe,at:e.at+1})}>A service</button>
    <button type="button" class="button" aria-pressed=${String(e.text===gt)} onClick=${()=>o({text:gt,at:e.at+1})}>A template</button>`;return t`<${H} title="New service" class="services" back=${{href:`${I("/services")}?tab=deployed`,label:"Services"}} meta=${t`<span class="muted">Begin with</span> ${n}`}>
    <${ke} key=${e.at} start=${{text:e.text,room:s}} action="Deploy" onSend=${r}><a class="button" href=${`${I("/services")}?tab=deployed`}>Cancel</a><//>
  <//>`}var is={server:"Server",supervisor:"Sessions",limits:"Limits",log:"Log"};function bt(){let e=V.value.query,o=e.get("q")??"",s=e.get("changed")==="1",{data:r,error:n,reload:a}=C(({signal:l})=>v("/settings",{signal:l}),[]),u=r?.settings??[],m=G(()=>{let l=new Map;for(let d of u){if(s&&d.source==="default"||!ae(o,[d.name,d.env,d.help,d.source,d.secret?"":String(d.value)]))continue;let i=d.name.split(".")[0];l.set(i,[...l.get(i)??[],d])}return[...l]},[r,o,s]);return t`
    ${r&&t`<div class="toolbar">
      <${ne} value=${o} onInput=${l=>P({q:l})} placeholder="Filter settings" />
      <label class="check"><input type="checkbox" checked=${s} onChange=${l=>P({changed:l.currentTarget.checked?"1":null})} /> only changed</label>
    </div>`}
    ${n&&!r&&t`<${_} error=${n} retry=${a} />`}
    ${!r&&!n&&t`<${x} rows=${10} label="Loading settings" />`}
    ${r&&t`<p class="muted">Flags win over the environment, the environment over <code>bulkhead.toml</code>, that over the defaults. They are read when the server starts.</p>`}
    ${r&&!m.length&&t`<${T} icon="search" title=${o?"No setting matches":"Everything is at its default"}><button class="button" onClick=${()=>P({q:null,changed:null})}>Show all</button><//>`}
    ${m.map(([l,d])=>t`<${A} key=${l} title=${is[l]??l} flush>
        <ul class="settings-list">${d.map(i=>t`<${ls} key=${i.name} setting=${i} />`)}</ul>
      <//>`)}
  `}function ls({setting:e}){let{name:o,env:s,value:r,source:n,help:a,secret:u}=e,[m,...l]=o.split(".");return t`<li class="setting">
    <div class="setting-name"><span class="mono"><span class="muted">${l.length?`${m}.`:""}</span>${l.length?l.join("."):o}</span><p class="setting-help muted">${a}</p></div>
    <div class="setting-value mono">${cs(r,u)}</div>
    <div class="setting-source"><${W} tone=${n==="default"?"":"ok"}>${n}<//><span class="setting-env mono muted">${s}</span><${J} text=${s} title=${`Copy ${s}`} /></div>
  </li>`}function cs(e,o){return e===""||e===null?t`<span class="muted">${o?"not set":"empty"}</span>`:o?t`<span title="A secret; it never leaves the server">•••</span>`:e===!0||e===!1?e?"yes":"no":String(e)}function _e({what:e,value:o,onClose:s}){let r=j(null);return M(()=>r.current.focus(),[o]),t`<div class="notice tone-ok once" role="status">
    <${k} name="check" />
    <div class="once-body">
      <p><strong>${e}</strong> is shown this once. Copy it now; the server does not keep it in a form that it could show again.</p>
      <div class="once-value"><input ref=${r} class="input mono" readonly aria-label=${e} value=${o} onFocus=${n=>n.currentTarget.select()} /><${J} text=${o} label="Copy" /></div>
    </div>
    <button type="button" class="button icon-only quiet" aria-label="I have it: hide it" title="I have it: hide it" onClick=${s}><${k} name="close" size=${14} /></button>
  </div>`}function yt(){let{data:e,error:o,reload:s}=C(async({signal:i})=>v(await w("api-keys"),{signal:i}),[]),[r,n]=$(!1),[a,u]=$(null),m=async i=>{await K({title:`Delete the API key ${i.name}?`,text:"It is refused at once, and so are tokens that were signed with it.",action:"Delete",tone:"bad"})&&await w("api-keys",i.id).then(Z).then(()=>(E({text:`${i.name} is deleted.`,tone:"ok"}),s()),F)},l=i=>{n(!1),u(i),s()},d=e?.keys??[];return t`
    <p class="muted">With a key, commands and programs elsewhere may do what you may do here: <code>bulkhead service create --url … </code>with <code>BULKHEAD_API_TOKEN</code>, or MeshAgent's clients with <code>MESHAGENT_API_KEY</code>.</p>
    ${o&&!e&&t`<${_} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${x} rows=${3} label="Loading API keys" />`}
    ${a&&t`<${_e} what=${`The API key ${a.name}`} value=${a.value} onClose=${()=>u(null)} />`}
    ${e&&t`<${A} title="API keys" flush actions=${t`<button type="button" class="button primary" onClick=${()=>n(!0)}><${k} name="plus" />New key</button>`}>
      ${d.length?t`<ul class="kept-list">
              ${d.map(i=>t`<li key=${i.id} class="kept">
                  <div class="kept-what"><strong>${i.name}</strong>${i.description&&t`<p class="muted">${i.description}</p>`}</div>
                  <div class="kept-when muted mono" title="Its id, which tokens that it signed name">${i.id}</div>
                  <div class="kept-do"><button type="button" class="button small danger" aria-label=${`Delete ${i.name}`} onClick=${()=>m(i)}>Delete…</button></div>
                </li>`)}
            </ul>`:t`<${T} icon="settings" title="No API key"><p>Your own processes on this machine need none.</p><//>`}
    <//>`}
    ${r&&t`<${ms} onMade=${l} onClose=${()=>n(!1)} />`}
  `}function ms({onMade:e,onClose:o}){let[s,r]=$(""),[n,a]=$("");return t`<${le} title="New API key" action="Make it" busyText="Making…" onSend=${async()=>{if(!s.trim())throw{title:"Give it a name",detail:"for whom or what it is, such as ci"};e(await O(await w("api-keys"),{name:s.trim(),description:n.trim()}))}} onClose=${o}>
    <${D} name="key-name" label="Name"><input id="key-name" class="input" value=${s} onInput=${m=>r(m.currentTarget.value)} /><//>
    <${D} name="key-about" label="Description" hint="What it is for, for whoever wonders later."><input id="key-about" class="input" value=${n} onInput=${m=>a(m.currentTarget.value)} /><//>
  <//>`}var us={keys:"Variables: names with a value each",docker:"Registry: a server, a user and a password",text:"Text: one value"},ds=[["server","Server","text","registry.example.org"],["username","User","text",""],["password","Password","password",""],["email","E-mail","text","optional"]];function vt(){let{data:e,error:o,reload:s}=C(async({signal:c})=>v(await w("secrets"),{signal:c}),[]),[r,n]=$(null),[a,u]=$([]),m=async c=>{await K({title:`Delete the secret ${c.name}?`,text:"Its value is gone for good. A secret that a service is given cannot be deleted.",action:"Delete",tone:"bad"})&&await w("secrets",c.id).then(Z).then(()=>(E({text:`${c.name} is deleted.`,tone:"ok"}),s()),F)},l=(c,b)=>{n(null),u(b),E({text:`${c} is set.`,tone:"ok"}),s()},d=()=>Ve(a).then(()=>(E({text:"They have the newest values.",tone:"ok"}),u([])),F),i=e?.secrets??[];return t`
    <p class="muted">Services are given secrets by name: as variables, as one value, or to pull their image. Values are kept encrypted, are shown nowhere, and are taken out of every log.</p>
    ${o&&!e&&t`<${_} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${x} rows=${4} label="Loading secrets" />`}
    ${a.length>0&&t`<div class="notice tone-warn" role="status">
      <${k} name="reload" />
      <p>${B(a.length,"service goes","services go")} on with the older value: ${a.join(", ")}. Where they run they start anew with the newest.</p>
      <button type="button" class="button small" onClick=${d}>Update ${a.length===1?"it":"them"}</button>
    </div>`}
    ${e&&t`<${A} title="Secrets" flush actions=${t`<button type="button" class="button primary" onClick=${()=>n({})}><${k} name="plus" />New secret</button>`}>
      ${i.length?t`<ul class="kept-list">
              ${i.map(c=>t`<li key=${c.id} class="kept">
                  <div class="kept-what"><strong class="mono">${c.name}</strong> <${W}>${c.type}<//>
                    ${c.type==="keys"&&t`<p class="muted mono">${Object.keys(c.data).join(", ")}</p>`}
                  </div>
                  <div class="kept-when muted">version ${c.version} · ${he(c.updated_at*1e3,ue.value)}</div>
                  <div class="kept-do"><button type="button" class="button small" onClick=${()=>n(c)}>New value…</button><button type="button" class="button small danger" aria-label=${`Delete ${c.name}`} onClick=${()=>m(c)}>Delete…</button></div>
                </li>`)}
            </ul>`:t`<${T} icon="settings" title="No secret is kept"><p>Keep keys and passwords here instead of in manifests. <code>bulkhead secret set NAME</code> does the same.</p><//>`}
    <//>`}
    ${r&&t`<${$s} secret=${r} onSaved=${l} onClose=${()=>n(null)} />`}
  `}function $s({secret:e,onSaved:o,onClose:s}){let r=!e.id,[n,a]=$(e.name??""),[u,m]=$(e.type??"keys"),[l,d]=$(""),[i,c]=$(()=>Object.keys(e.data??{}).map(g=>[g,""]).concat(r?[["",""]]:[])),[b,p]=$({}),S=async()=>{let g={name:n.trim(),type:u};if(!g.name)throw{title:"Give it a name",detail:"services ask for the secret by it"};if(u==="text")g.data_base64=ps(l);else if(u==="docker")g.data={email:"",...b};else if(g.data=Object.fromEntries(i.map(([y,q])=>[y.trim(),q]).filter(([y])=>y)),!Object.keys(g.data).length)throw{title:"Name a variable",detail:"such as SEARCH_KEY"};let R=await w("secrets",...r?[]:[e.id]),f=await(r?O:oe)(R,g);o(g.name,f.behind??[])},h=(g,R,f)=>c(i.map((y,q)=>q===g?[R,f]:y));return t`<${le} title=${r?"New secret":`New value of ${e.name}`} action="Set" onSend=${S} onClose=${s}>
    <${D} name="secret-name" label="Name"><input id="secret-name" class="input mono" value=${n} spellcheck=${!1} onInput=${g=>a(g.currentTarget.value)} /><//>
    ${r&&t`<${D} name="secret-type" label="Kind"><select id="secret-type" class="select" value=${u} onChange=${g=>m(g.currentTarget.value)}>${Object.entries(us).map(([g,R])=>t`<option key=${g} value=${g}>${R}</option>`)}</select><//>`}
    ${u==="text"&&t`<${D} name="secret-text" label="Value"><input id="secret-text" class="input mono" type="password" autocomplete="new-password" value=${l} onInput=${g=>d(g.currentTarget.value)} /><//>`}
    ${u==="docker"&&ds.map(([g,R,f,y])=>t`<${D} key=${g} name=${`secret-${g}`} label=${R}><input id=${`secret-${g}`} class="input mono" type=${f} autocomplete=${f==="password"?"new-password":"off"} placeholder=${y} value=${b[g]??""} onInput=${q=>p({...b,[g]:q.currentTarget.value})} /><//>`)}
    ${u==="keys"&&t`<fieldset class="pairs"><legend>Variables</legend>
      ${i.map(([g,R],f)=>t`<div key=${f} class="pair">
          <input class="input mono" aria-label=${`Name of variable ${f+1}`} placeholder="NAME" spellcheck=${!1} value=${g} onInput=${y=>h(f,y.currentTarget.value,R)} />
          <input class="input mono" type="password" autocomplete="new-password" aria-label=${`Value of variable ${f+1}`} placeholder="value" value=${R} onInput=${y=>h(f,g,y.currentTarget.value)} />
          <button type="button" class="button icon-only quiet" aria-label=${`Remove variable ${f+1}`} onClick=${()=>c(i.filter((y,q)=>q!==f))}><${k} name="close" size=${14} /></button>
        </div>`)}
      <button type="button" class="button small" onClick=${()=>c([...i,["",""]])}><${k} name="plus" size=${14} />Another</button>
    </fieldset>`}
    ${!r&&u!=="text"&&t`<p class="hint muted">All values are set anew; what is left empty is empty then.</p>`}
  <//>`}function ps(e){let o="";for(let s of new TextEncoder().encode(e))o+=String.fromCharCode(s);return btoa(o)}var wt={"room.started":"when a room opens","room.ended":"when a room has closed"},fs=2,hs={waiting:"busy",delivered:"ok",failed:"bad"};function kt(){let{data:e,error:o,reload:s}=C(async({signal:i})=>v(await w("webhooks"),{signal:i}),[]),[r,n]=$(null),[a,u]=$(null),m=async i=>{let c=`${i.url} is told nothing more; what waits for it is not sent.`;await K({title:`Delete the webhook ${i.name}?`,text:c,action:"Delete",tone:"bad"})&&await w("webhooks",i.id).then(Z).then(()=>(E({text:`${i.name} is deleted.`,tone:"ok"}),s()),F)},l=i=>{n(null),i.secret?u(i):E({text:`${i.name} is changed.`,tone:"ok"}),s()},d=e?.webhooks??[];return t`
    <p class="muted">This server posts what happens to addresses of yours, signed, and again for an hour where it is not taken.</p>
    ${o&&!e&&t`<${_} error=${o} retry=${s} />`}
    ${!e&&!o&&t`<${x} rows=${3} label="Loading webhooks" />`}
    ${a&&t`<${_e} what=${`The secret that signs ${a.name}`} value=${a.secret} onClose=${()=>u(null)} />`}
    ${e&&t`<div class="toolbar"><button type="button" class="button primary" onClick=${()=>n({})}><${k} name="plus" />New webhook</button></div>`}
    ${e&&!d.length&&t`<${T} icon="out" title="Nobody is told"><p>A webhook hears when rooms open and close.</p><//>`}
    ${d.map(i=>t`<${gs} key=${i.id} hook=${i} onEdit=${()=>n(i)} onRemove=${()=>m(i)} />`)}
    ${r&&t`<${ys} hook=${r} onSaved=${l} onClose=${()=>n(null)} />`}
  `}function gs({hook:e,onEdit:o,onRemove:s}){let r=async({signal:i})=>v(`${await w("webhooks",e.id)}/deliveries`,{signal:i}),{data:n,error:a,reload:u}=C(r,[e.id],{every_s:fs}),m=i=>w("webhooks",e.id,"deliveries",i.id).then(c=>O(c)).then(()=>(E({text:`${i.event} is sent again.`,tone:"ok"}),u()),F),l=n?.deliveries??[],d=t`<span class="hook-title">${e.name} ${e.events.map(i=>t`<${W} key=${i}>${i}<//>`)}</span>`;return t`<${A}
    title=${d}
    flush
    class="hook"
    actions=${t`<button type="button" class="button small" onClick=${o} aria-label=${`Edit ${e.name}`}>Edit…</button><button type="button" class="button small danger" onClick=${s} aria-label=${`Delete ${e.name}`}>Delete…</button>`}
  >
    <p class="hook-url mono">${e.url}</p>
    ${e.description&&t`<p class="hook-about muted">${e.description}</p>`}
    ${a&&!n&&t`<${_} error=${a} retry=${u} />`}
    ${n&&!l.length&&t`<p class="hook-none muted">Nothing was sent yet.</p>`}
    ${l.length>0&&t`<ul class="deliveries" aria-label=${`Deliveries to ${e.name}`}>
      ${l.map(i=>t`<li key=${i.id} class="delivery">
          <${N} tone=${hs[i.state]}>${i.state}<//>
          <span class="mono">${i.event}</span>
          <span class="muted" title=${de(i.created_at)}>${he(i.created_at,ue.value)}</span>
          <span class="delivery-said">${bs(i,ue.value)}</span>
          <button type="button" class="button small" aria-label=${`Send ${i.event} again`} onClick=${()=>m(i)}>Send again</button>
        </li>`)}
    </ul>`}
  <//>`}function bs(e,o){let s=B(e.attempts,"attempt"),r=e.error||(e.status?`answered ${e.status}`:"no answer");if(e.state==="delivered")return`answered ${e.status}${e.attempts>1?` after ${s}`:""}`;if(e.state==="failed")return`given up after ${s}: ${r}`;let n=Math.max(0,Math.round(e.next_at-o/1e3));return e.attempts?`${r}; ${n?`again in ${n} s`:"again now"} (${s} made)`:"on its way"}function ys({hook:e,onSaved:o,onClose:s}){let r=!e.id,[n,a]=$(e.name??""),[u,m]=$(e.url??""),[l,d]=$(e.description??""),[i,c]=$(e.events??Object.keys(wt)),[b,p]=$(e.payload?JSON.stringify(e.payload):""),[S,h]=$("");M(()=>{let f="";try{let y=b.trim()?JSON.parse(b):null;y!==null&&(typeof y!="object"||Array.isArray(y))&&(f='This is to be an object, such as {"team": "support"}.')}catch(y){f=`This is not JSON: ${y.message}.`}h(f)},[b]);let g=async()=>{if(!n.trim())throw{title:"Give it a name",detail:"whom it tells"};if(!/^https?:\/\/[^/\s]+/.test(u.trim()))throw{title:"Say where to post to",detail:"an address that begins with http:// or https://"};if(!i.length)throw{title:"Choose what it hears of"};if(S)throw{title:"What is sent along cannot be used",detail:S};let f={name:n.trim(),url:u.trim(),description:l.trim(),events:i,action:e.action??"",payload:b.trim()?JSON.parse(b):null},y=await w("webhooks",...r?[]:[e.id]);o(await(r?O:oe)(y,f))},R=f=>c(i.includes(f)?i.filter(y=>y!==f):[...i,f]);return t`<${le} title=${r?"New webhook":`Edit ${e.name}`} action=${r?"Make it":"Save"} onSend=${g} onClose=${s}>
    <${D} name="hook-name" label="Name"><input id="hook-name" class="input" value=${n} onInput=${f=>a(f.currentTarget.value)} /><//>
    <${D} name="hook-url" label="Address" hint="It is posted JSON, and is to answer 2xx."><input id="hook-url" class="input mono" type="url" inputmode="url" placeholder="https://example.org/rooms" aria-describedby="hook-url-hint" value=${u} onInput=${f=>m(f.currentTarget.value)} /><//>
    <fieldset class="choices"><legend>It hears</legend>
      ${Object.entries(wt).map(([f,y])=>t`<label key=${f} class="check"><input type="checkbox" checked=${i.includes(f)} onChange=${()=>R(f)} /> <span class="mono">${f}</span> <span class="muted">${y}</span></label>`)}
    </fieldset>
    <${D} name="hook-about" label="Description"><input id="hook-about" class="input" value=${l} onInput=${f=>d(f.currentTarget.value)} /><//>
    <${D} name="hook-payload" label="Sent along" error=${S} hint="An object that is merged into the data of each; empty for none."><input id="hook-payload" class="input mono" spellcheck=${!1} placeholder="{}" aria-invalid=${S?"true":void 0} aria-describedby="hook-payload-hint" value=${b} onInput=${f=>p(f.currentTarget.value)} /><//>
  <//>`}var Be=[{id:"settings",label:"Settings",body:bt},{id:"secrets",label:"Secrets",body:vt},{id:"keys",label:"API keys",body:yt},{id:"webhooks",label:"Webhooks",body:kt}];function vs(){let e=V.value.query.get("tab"),o=Be.find(({id:s})=>s===e)??Be[0];return t`<${H} title="Settings" class="settings">
    <${ie} label="Parts of settings" current=${o.id} tabs=${Be} onChange=${s=>P({tab:s==="settings"?null:s,q:null,changed:null},{push:!0})} />
    <${o.body} />
  <//>`}export{as as NewService,Kt as Service,ts as Services,vs as Settings};
