try{let t=localStorage.getItem("studio.theme");(t==="light"||t==="dark")&&(document.documentElement.dataset.theme=t)}catch{}
