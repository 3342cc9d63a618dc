import{$ as V,F as S,K as E,Z as T,e as z,f as M,g as C,h as v,l as p,m as L,o as r,p as d}from"./chunk-EIUZ374S.js";var H={overview:"M2 13.5h12M3.5 11V8.5M6.5 11V5M9.5 11V7M12.5 11V3",rooms:"M2.5 3.5h11v7.5h-6L4.5 13.5V11h-2z",sessions:"M2.5 2.5h11v3h-11zM2.5 6.75h11v3h-11zM2.5 11h11v2.5h-11z",crashes:"M8 2 14.5 13.5h-13zM8 6.5v3.25M8 11.6v.1",services:"M8 1.75 13.75 5v6L8 14.25 2.25 11V5zM2.5 5.1 8 8.25l5.5-3.15M8 8.25v6",settings:"M2 4.5h6.5M12.5 4.5H14M2 11.5h1.5M7.5 11.5H14M8.5 2.75h2v3.5h-2zM3.5 9.75h2v3.5h-2z",flame:"M8 1.75c.5 3 4 4.25 4 8a4 4 0 0 1-8 0c0-1.75.75-2.75 1.75-3.5.25 1.25.75 1.75 1.25 2C6.75 6 7 3.5 8 1.75z",nodes:"M2.5 2.5h4.5v4.5h-4.5zM9 2.5h4.5v4.5H9zM5.75 9.5h4.5V14h-4.5zM4.75 7v1.25h6.5V7M8 8.25V9.5",search:"M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4l3.1 3.1",close:"M4 4l8 8M12 4l-8 8",check:"M3 8.5l3.25 3.25L13 4.75",copy:"M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",back:"M9.5 3.5 5 8l4.5 4.5",next:"M6.5 3.5 11 8l-4.5 4.5",down:"M3.5 6 8 10.5 12.5 6",up:"M3.5 10 8 5.5l4.5 4.5",sun:"M8 5.25a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5zM8 1.25v1.5M8 13.25v1.5M1.25 8h1.5M13.25 8h1.5M3.2 3.2l1.1 1.1M11.7 11.7l1.1 1.1M12.8 3.2l-1.1 1.1M4.3 11.7l-1.1 1.1",moon:"M13 9.6A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.6z",system:"M2 3h12v8H2zM6 13.5h4M8 11v2.5",help:"M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5zM6.2 6.4c0-1 .8-1.7 1.8-1.7s1.8.7 1.8 1.6c0 1.3-1.8 1.4-1.8 2.7M8 11.2v.1",play:"M5 3l7.5 5L5 13z",edit:"M3 13l.7-3L10.6 3.1l2.3 2.3L6 12.3zM9.2 4.5l2.3 2.3",pause:"M5.25 3v10M10.75 3v10",stop:"M4 4h8v8H4z",kill:"M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5zM5.75 5.75l4.5 4.5M10.25 5.75l-4.5 4.5",stack:"M8 2l6 3-6 3-6-3zM2.5 8.2 8 11l5.5-2.8M2.5 11.2 8 14l5.5-2.8",in:"M13 3 5.5 10.5M5 5.5v5.5h5.5",out:"M3 13l7.5-7.5M5.5 5H11v5.5",leave:"M6.5 2.5h-4v11h4M10 4.75 13.25 8 10 11.25M6 8h7",send:"M2.5 8 13.5 3 10 13.5 7.75 9z",plus:"M8 3v10M3 8h10",reload:"M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3",download:"M8 2.5v7.5M4.75 7 8 10.25 11.25 7M3 13.25h10",attach:"M12.5 7.5 7.8 12.2a2.7 2.7 0 0 1-3.8-3.8l5-5a1.8 1.8 0 0 1 2.6 2.6L6.9 10.7a.9.9 0 0 1-1.3-1.3L9.5 5.5",person:"M8 2.5a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5zM2.75 13.75c.5-2.7 2.6-4 5.25-4s4.75 1.3 5.25 4",agent:"M3 5.5h10v7.5H3zM8 2.25V5.5M6 8.5v1M10 8.5v1M1.5 8v2.5M14.5 8v2.5",tool:"M9.5 6.5 3 13M9.2 3.2a3.2 3.2 0 0 1 4-.6l-2 2 .3 1.2 1.2.3 2-2a3.2 3.2 0 0 1-4.4 3.9",file:"M4 1.75h5L12.5 5.25v9H4zM9 1.75v3.5h3.5",room:"M2.5 3.5h11v7.5h-6L4.5 13.5V11h-2z",more:"M3.5 8h.1M8 8h.1M12.5 8h.1",external:"M9 3h4v4M13 3 7.5 8.5M11 9.5V13H3V5h3.5",bin:"M3 4.25h10M6.25 4.25V2.5h3.5v1.75M4.25 4.25 5 13.5h6l.75-9.25M6.75 6.75v4.25M9.25 6.75v4.25",bolt:"M9 1.75 3.5 9H8l-1 5.25L12.5 7H8z"};function i({name:t,size:e=16,label:o=""}){return r`<svg class="icon" viewBox="0 0 16 16" width=${e} height=${e} role=${o?"img":"presentation"} aria-hidden=${o?void 0:"true"} aria-label=${o||void 0}>
    <path d=${H[t]??H.more} />
  </svg>`}var tt=({icon:t="overview",title:e,children:o})=>r`<div class="empty">
  <span class="empty-icon"><${i} name=${t} size=${22} /></span>
  <h2>${e}</h2>
  <div class="empty-text">${o}</div>
</div>`,et=({rows:t=4,label:e="Loading"})=>r`<div class="loading" role="status" aria-label=${e}>
  ${Array.from({length:t},(o,a)=>r`<span key=${a} class="bar" />`)}
</div>`,ot=({error:t,retry:e})=>r`<div class="failed" role="alert">
  <span class="tone-bad"><${i} name="crashes" /></span>
  <div class="failed-text">
    <strong>${t.title??"Something went wrong"}</strong>
    <p>${t.detail??t.message}</p>
  </div>
  ${e&&r`<button class="button" onClick=${e}>Try again</button>`}
</div>`;function rt({title:t,heading:e,back:o,meta:a,actions:s,fill:n=!1,children:l,class:c}){return M(()=>{document.title=`${t} · Studio`},[t]),r`<div class=${d("page",n&&"page-fill",c)}>
    <header class="page-head">
      <div class="page-title">
        ${o&&r`<a class="back" href=${o.href}><${i} name="back" size=${14} />${o.label}</a>`}
        <h1>${e??t}</h1>
        ${a&&r`<div class="page-meta">${a}</div>`}
      </div>
      ${s&&r`<div class="page-actions">${s}</div>`}
    </header>
    ${l}
  </div>`}var lt=({title:t,actions:e,flush:o=!1,children:a,class:s})=>r`<section class=${d("card",o&&"flush",s)}>
  ${(t||e)&&r`<header class="card-head"><h2>${t}</h2>${e&&r`<div class="card-actions">${e}</div>`}</header>`}
  <div class="card-body">${a}</div>
</section>`,it=({rows:t})=>r`<dl class="facts">
  ${t.filter(([,e])=>e!=null).map(([e,o])=>r`<div key=${e}><dt>${e}</dt><dd>${o}</dd></div>`)}
</dl>`;var u="/studio",$=p({page:null,params:{},query:new URLSearchParams,path:"/"}),w=!1,P=[],m=new Map,h=null;function pt(t){P=t.map(([e,o])=>({parts:R(e),page:o})),history.scrollRestoration="manual",addEventListener("popstate",()=>(w=!0,x(m.get(history.state?.key)??0))),document.addEventListener("click",F),history.state?.key||history.replaceState({key:y()},""),x(0)}var ht=t=>h=t,dt=(t,...e)=>u+[t==="/"?"/":t,...e.map(encodeURIComponent)].join("/").replace(/\/{2,}/g,"/");function U(t,{replace:e=!1}={}){let o=t.startsWith(u)?t:u+t;I(),w=!1,e?history.replaceState({key:history.state?.key??y()},"",o):history.pushState({key:y()},"",o),x(e?h?.scrollTop??0:0)}function mt(t,{push:e=!1}={}){let o=new URLSearchParams(location.search);for(let[n,l]of Object.entries(t))l===null||l===""||l===void 0?o.delete(n):o.set(n,l);let a=o.toString(),s=location.pathname+(a?`?${a}`:"");e&&s!==location.pathname+location.search?(I(),w=!1,history.pushState({key:y()},"",s)):history.replaceState(history.state,"",s),$.value={...$.value,query:o}}function F(t){if(t.defaultPrevented||t.button!==0||t.metaKey||t.ctrlKey||t.shiftKey||t.altKey)return;let e=t.target.closest?.("a[href]");if(!e||e.target||e.hasAttribute("download"))return;let o=new URL(e.href,location.href);o.origin!==location.origin||!(o.pathname===u||o.pathname.startsWith(`${u}/`))||o.pathname.startsWith(`${u}/enter`)||(t.preventDefault(),U(o.pathname+o.search))}function x(t){let e=location.pathname.slice(u.length)||"/",o=R(e),a=new URLSearchParams(location.search);for(let{parts:s,page:n}of P){let l=W(s,o);if(l){$.value={page:n,params:l,query:a,path:e};break}$.value={page:null,params:{},query:a,path:e}}requestAnimationFrame(()=>h&&(h.scrollTop=t))}function W(t,e){if(t.length!==e.length)return null;let o={};for(let a=0;a<t.length;a+=1)if(t[a].startsWith(":"))try{o[t[a].slice(1)]=decodeURIComponent(e[a])}catch{return null}else if(t[a]!==e[a])return null;return o}function I(){history.state?.key&&h&&m.set(history.state.key,h.scrollTop),m.size>100&&m.delete(m.keys().next().value)}var R=t=>t.split("/").filter(Boolean),y=()=>Math.random().toString(36).slice(2);function j({title:t,onClose:e,wide:o=!1,children:a,footer:s}){let n=v(null);return C(()=>{let[l,c]=[document.activeElement,n.current];return c.open||c.showModal(),()=>{c.close(),l?.focus?.({preventScroll:!0})}},[]),r`<dialog
    ref=${n}
    class=${o?"dialog wide":"dialog"}
    aria-label=${t}
    onCancel=${l=>{l.preventDefault(),e()}}
    onMouseDown=${l=>l.target===n.current&&e()}
  >
    <header><h2>${t}</h2><button type="button" class="button icon-only quiet" aria-label="Close" onClick=${e}><${i} name="close" /></button></header>
    <div class="dialog-body">${a}</div>
    ${s&&r`<footer>${s}</footer>`}
  </dialog>`}var g=p(null);function $t({title:t,text:e,action:o="OK",tone:a=""}){return g.value?.answer(!1),new Promise(s=>{g.value={title:t,text:e,action:o,tone:a,answer(n){g.value=null,s(n)}}})}function yt(){let t=g.value;if(!t)return null;let{title:e,text:o,action:a,tone:s,answer:n}=t;return r`<${j}
    title=${e}
    onClose=${()=>n(!1)}
    footer=${r`<button type="button" class="button" onClick=${()=>n(!1)}>Cancel</button>
      <button type="button" class=${s==="bad"?"button danger solid":"button primary"} autofocus onClick=${()=>n(!0)}>${a}</button>`}
  >
    <p>${o}</p>
  <//>`}var D=6e3,B=3,f=p([]),N=0;function _({text:t,tone:e="",link:o="",linkText:a="Show",key:s="",instead:n=s}){let l=N+=1;f.value=[...f.value.filter(c=>!s||c.key!==s&&!c.key.startsWith(n)),{id:l,text:t,tone:e,link:o,linkText:a,key:s}].slice(-B),e!=="bad"?setTimeout(()=>b(l),D):setTimeout(()=>b(l),D*3)}var wt=t=>_({text:t.message,tone:"bad"}),b=t=>f.value=f.value.filter(e=>e.id!==t),kt=()=>r`<div class="toasts" role="status" aria-live="polite">
  ${f.value.map(({id:t,text:e,tone:o,link:a,linkText:s})=>r`<div key=${t} class=${d("toast",o&&`tone-${o}`)}>
      <p>${e}</p>
      ${a&&r`<a href=${a} onClick=${()=>b(t)}>${s}</a>`}
      <button class="button icon-only quiet" aria-label="Close" onClick=${()=>b(t)}><${i} name="close" size=${14} /></button>
    </div>`)}
</div>`;var q=/^\/deployed\/([^/]+)(\/.*)$/,A=8,k=t=>q.exec(t??"")?.[1]??null;function O(t,e=""){let[,o,a]=q.exec(t??"")??[];if(!a)return t??"";let s=e.split("@")[0];return s?`${s}${a}`:`${o.slice(0,A)}…${a}`}function Q(t,e){let o=t.map(a=>O(a,e(a)));return new Map(t.map((a,s)=>[a,k(a)&&o.indexOf(o[s])!==o.lastIndexOf(o[s])?`${o[s]} (${k(a).slice(0,A)})`:o[s]]))}function St(t,e,o){let a=new Map;for(let s of t)!s.exit&&s.room===o&&k(s.endpoint)===e&&a.set(s.revision,(a.get(s.revision)??0)+1);return[...a].map(([s,n])=>({revision:s,count:n})).sort((s,n)=>n.revision-s.revision)}var K=L(()=>new Map((S.value??[]).map(t=>[t.path,t.bundle]))),Et=(t,e)=>O(t,e||K.value.get(t)),Tt=t=>Q(t,e=>K.value.get(e));function It({text:t,label:e="",title:o="Copy"}){let[a,s]=z(!1),n=v(0);return M(()=>()=>clearTimeout(n.current),[]),r`<button type="button" class=${e?"button":"button icon-only quiet"} title=${o} aria-label=${e?void 0:o} onClick=${async()=>{await Y(typeof t=="function"?t():t),s(!0),clearTimeout(n.current),n.current=setTimeout(()=>s(!1),1500)}}>
    <${i} name=${a?"check":"copy"} />${e&&r`<span>${a?"Copied":e}</span>`}
    <span class="sr-only" role="status">${a?"Copied":""}</span>
  </button>`}async function Y(t){try{await navigator.clipboard.writeText(t)}catch{let e=Object.assign(document.createElement("textarea"),{value:t,className:"sr-only"});document.body.append(e),e.select(),document.execCommand("copy"),e.remove()}}var Ot=({at:t})=>r`<time class="ago" title=${V(t)}>${T(t,E.value)}</time>`;function Wt({value:t,onInput:e,placeholder:o="Filter",label:a=o}){return r`<label class="filter">
    <${i} name="search" />
    <input type="search" data-search autocomplete="off" spellcheck=${!1} placeholder=${o} aria-label=${a} value=${t} onInput=${n=>e(n.currentTarget.value)} onKeyDown=${n=>{n.key!=="Escape"&&n.key!=="Enter"||(n.stopPropagation(),n.key==="Escape"&&t&&e(""),n.currentTarget.blur())}} />
    <kbd aria-hidden="true">/</kbd>
  </label>`}function jt(t,e){let o=e.join(`
`).toLowerCase();return t.toLowerCase().split(/\s+/).every(a=>o.includes(a))}export{i as a,tt as b,et as c,ot as d,rt as e,lt as f,it as g,$ as h,w as i,pt as j,ht as k,dt as l,U as m,mt as n,k as o,O as p,St as q,Et as r,Tt as s,It as t,Ot as u,j as v,$t as w,yt as x,Wt as y,jt as z,_ as A,wt as B,kt as C};
