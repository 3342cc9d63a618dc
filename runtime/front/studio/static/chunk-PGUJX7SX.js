import{v as d}from"./chunk-UJIFYHRV.js";import{e as f,g as m,h as p,o as t}from"./chunk-EIUZ374S.js";function D({title:o,action:s,busyText:l="Saving…",onSend:r,onClose:a,disabled:n=!1,wide:b=!1,children:y}){let[i,u]=f(!1),[e,$]=f(null),c=p(null);m(()=>c.current.querySelector("input, select, textarea")?.focus(),[]);let g=async v=>{if(v.preventDefault(),!(i||n)){u(!0),$(null);try{await r()}catch(h){$(h),u(!1)}}};return t`<${d}
    title=${o}
    wide=${b}
    onClose=${a}
    footer=${t`<button type="button" class="button" onClick=${a}>Cancel</button><button type="submit" form="form-dialog" class="button primary" disabled=${i||n}>${i?l:s}</button>`}
  >
    <form id="form-dialog" class="form" ref=${c} onSubmit=${g} novalidate autocomplete="off">
      ${y}
      ${e&&t`<p class="form-error" role="alert">${e.title??"It failed"}${e.detail?`: ${e.detail}`:e.title?"":`: ${e.message}`}</p>`}
    </form>
  <//>`}var w=({name:o,label:s,hint:l,error:r,children:a})=>t`<div class="field">
  <label for=${o}>${s}</label>${a}
  ${r?t`<p class="error" id=${`${o}-hint`} role="alert">${r}</p>`:l&&t`<p class="hint" id=${`${o}-hint`}>${l}</p>`}
</div>`;export{D as a,w as b};
