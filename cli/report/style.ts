const light = `--paper:#ffffff;--ink:#1a1f26;--quiet:#57606b;--line:#d9dee4;--soft:#f5f7f9;--accent:#0a5fb4;--second:#5b9bd8;--second-ink:#0d1b29;--third:#aeb9c6;--third-ink:#1a1f26;--on-accent:#ffffff;--bad:#b3261e;--warning:#8a5300;--good:#1d6b3a`;
const dark = `--paper:#14171b;--ink:#e9edf1;--quiet:#a5afba;--line:#333a43;--soft:#1c2026;--accent:#8ac1fb;--second:#3f7fbf;--second-ink:#ffffff;--third:#5d6976;--third-ink:#ffffff;--on-accent:#0b1a29;--bad:#ff9d94;--warning:#f3c06b;--good:#84d6a0`;

const text = `
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Helvetica,Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
header,.columns,footer{max-width:84rem;margin:0 auto;padding:0 2.5rem}
header{padding-top:4rem;padding-bottom:2rem}
footer{padding-top:2rem;padding-bottom:4rem;color:var(--quiet);font-size:.875rem}
h1{font-size:2.75rem;line-height:1.1;letter-spacing:-.02em;margin:0 0 .75rem;font-weight:650}
h2{font-size:1.5rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 1.5rem;padding:.9rem 0;font-weight:650;position:sticky;top:0;background:var(--paper);border-bottom:1px solid var(--line);z-index:2}
h3{font-size:1.125rem;margin:2.5rem 0 .5rem;font-weight:650}
h4{font-size:1rem;margin:1.25rem 0 .25rem;font-weight:650}
p{margin:0 0 1rem;max-width:46rem}
a{color:var(--accent)}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
code{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.kicker{text-transform:uppercase;letter-spacing:.08em;font-size:.8125rem;color:var(--accent);font-weight:650;margin:0 0 .5rem}
.lead{font-size:1.25rem;line-height:1.4;color:var(--quiet)}
.quiet{color:var(--quiet)}
.made{display:block;margin-top:.5rem;font-size:.875rem}
.patterns{position:absolute}
.unseen,.skip:not(:focus){position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip:focus{position:fixed;top:.5rem;left:.5rem;padding:.5rem 1rem;background:var(--paper);border:2px solid var(--accent);z-index:9}
.columns{display:grid;grid-template-columns:12rem minmax(0,1fr);gap:4rem}
nav ol{list-style:none;margin:0;padding:1rem 0;position:sticky;top:0}
nav a{display:block;padding:.35rem 0;color:var(--quiet);text-decoration:none}
nav a:hover{color:var(--accent);text-decoration:underline}
main>section{margin-bottom:5rem;scroll-margin-top:0}
.sources{margin-top:2.5rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.8125rem;color:var(--quiet)}
.sources h3{font-size:.8125rem;margin:0 0 .5rem;text-transform:uppercase;letter-spacing:.06em}
.sources ol{margin:0;padding-left:1.75rem;columns:2;column-gap:2.5rem}
.sources li{break-inside:avoid;padding:.1rem 0;scroll-margin-top:5rem}
.sources li:target{color:var(--ink);background:var(--soft);outline:4px solid var(--soft)}
.figure{position:relative;text-underline-offset:.2em}
.cite{font-size:.6875rem;line-height:1;vertical-align:.45em;margin-left:.15em;padding:.1em .15em;text-decoration:none;font-weight:500;color:var(--accent)}
.tip{display:none;position:absolute;z-index:5;top:calc(100% + .35rem);left:0;width:max-content;max-width:24rem;padding:.6rem .8rem;background:var(--ink);color:var(--paper);border-radius:.35rem;font:400 .8125rem/1.45 system-ui,sans-serif;text-align:left;text-transform:none;letter-spacing:0;white-space:normal}
.number .tip{left:auto;right:0}
.figure:hover .tip,.cite:focus .tip{display:block}
.mark{font-weight:600}
.mark .sign{display:inline-block;width:1.15em;text-align:center}
.good{color:var(--good)}.warning{color:var(--warning)}.bad{color:var(--bad)}
.verdict{font-size:1.125rem}
.problems,.cautions{padding:1rem 1rem 1rem 2.25rem;border-left:4px solid var(--bad);background:var(--soft);max-width:60rem;margin:0 0 1.5rem}
.cautions{border-left-color:var(--warning)}
.plain{margin:0 0 1rem;padding-left:1.1rem;color:var(--quiet);max-width:60rem}
.plain li{padding:.1rem 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr));gap:2rem 2rem;margin:2rem 0 0}
.tiles div{border-top:2px solid var(--accent);padding-top:.75rem}
.tiles dt{font-size:.875rem;color:var(--quiet)}
.tiles dd{margin:0}
.tiles .large{display:block;font-size:1.625rem;line-height:1.3;font-weight:650;letter-spacing:-.01em}
.tiles .large .tip{letter-spacing:0}
.tiles .quiet{font-size:.875rem;display:block;line-height:1.4}
.pairs{display:flex;flex-wrap:wrap;gap:.75rem 2.5rem;margin:1rem 0 1.5rem}
.pairs dt{font-size:.8125rem;color:var(--quiet)}
.pairs dd{margin:0;font-weight:600}
.pairs div{min-width:0}
table{border-collapse:collapse;width:100%;margin:2.25rem 0 1.5rem;font-size:.875rem;line-height:1.45}
caption{text-align:left;font-weight:650;font-size:1rem;padding-bottom:.5rem}
th,td{text-align:left;vertical-align:top;padding:.5rem 1rem .5rem 0;border-bottom:1px solid var(--line);max-width:17rem;overflow-wrap:break-word}
code,.wide{overflow-wrap:anywhere}
td code{display:block;min-width:14rem;max-width:19rem}
.text .mark{white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--quiet);font-weight:600;font-size:.8125rem;vertical-align:bottom;border-bottom-color:var(--quiet)}
tbody th{font-weight:600}
.number{text-align:right;white-space:nowrap}
.number+.text,.number+.wide{padding-left:1rem}
thead .number{white-space:normal}
.wide{min-width:9rem;max-width:none}
.line{display:block}
.line+.line{margin-top:.35rem;color:var(--quiet)}
figure{margin:1.75rem 0 2.25rem}
.chart,.rack{overflow:clip;overflow-clip-margin:8px}
figcaption{font-weight:650;margin-bottom:.6rem}
svg{display:block;overflow:visible;font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums}
svg text{fill:var(--ink)}
svg .quiet{fill:var(--quiet)}
svg .name{font-weight:650;font-size:13px}
.rack svg .name{font-size:12px}
.first{fill:var(--accent)}.second{fill:var(--second)}.third{fill:var(--third)}.spare{fill:url(#spare)}.over{fill:var(--bad)}.none{fill:none}
.legend .none{stroke:var(--quiet);stroke-dasharray:2 2}
.paper{fill:var(--paper)}.stripe{fill:var(--third)}
svg .in-first,svg .in-over{fill:var(--on-accent)}
.network text{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
svg .in-second{fill:var(--second-ink)}
svg .in-third{fill:var(--third-ink)}
svg .in-spare,svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.bar{border:1px solid var(--line);border-radius:3px;background:var(--paper);overflow:hidden}
.bar rect{stroke:var(--paper);stroke-width:1px}
.bar text{font-weight:600}
.bars{list-style:none;margin:0;padding:0}
.bars li{margin:0 0 1.1rem}
.bar-label{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1.5rem;margin:0 0 .3rem;font-size:.875rem;max-width:none}
.bar-label .good{color:inherit}
.bar-label>*,.legend li{min-width:0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.4rem;margin:0 0 1rem;padding:0;font-size:.8125rem;color:var(--quiet)}
.legend svg{display:inline-block;vertical-align:-1px;margin-right:.15rem}
.grid{stroke:var(--line)}
.bus{stroke:var(--line);stroke-width:5px}
.link{stroke:var(--accent);stroke-width:1.5px}
.point{fill:var(--accent);stroke:var(--paper);stroke-width:1.5px}
.limit{stroke:var(--bad);stroke-width:1.5px;stroke-dasharray:5 3}
svg .limit-text{fill:var(--bad);font-weight:600}
.own{fill:var(--accent);fill-opacity:.35;stroke:var(--accent);stroke-width:1.5px;vector-effect:non-scaling-stroke}
.cloud{fill:var(--quiet);fill-opacity:.3;stroke:var(--quiet);stroke-width:1px}
.frame{fill:var(--soft);stroke:var(--quiet)}
.curve svg{overflow:hidden}
.beside{display:flex;flex-wrap:wrap;gap:1rem 4rem;align-items:flex-start}
.beside>:last-child{flex:1 1 20rem;min-width:0}
.racks{display:flex;flex-wrap:wrap;gap:1rem 2.5rem}
.rack svg{width:100%;max-width:298px;height:auto}
.rack{width:298px;max-width:100%}
.budget{break-inside:avoid}
@media screen and (max-width:62rem){
.columns{display:block}
nav ol{position:static;display:flex;flex-wrap:wrap;gap:0 1.4rem;border-top:1px solid var(--line);border-bottom:1px solid var(--line);margin-bottom:2.5rem}
.tip{position:fixed;inset:auto 1rem 1rem 1rem;width:auto;max-width:none}
.number .tip{left:1rem;right:1rem}
}
@media screen and (max-width:44rem){
header,.columns,footer{padding-left:1.25rem;padding-right:1.25rem}
header{padding-top:2.5rem}
h1{font-size:2.125rem}
.sources ol{columns:1}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:1.5rem 1.25rem}
.tiles .large{font-size:1.25rem}
table,tbody,tr,td,tbody th{display:block}
thead{display:none}
caption{display:block}
tbody tr{padding:.9rem 0;border-bottom:1px solid var(--line)}
tbody tr>*{overflow-wrap:anywhere;border:0;padding:.1rem 0;text-align:left;white-space:normal;min-width:0;max-width:none}
tbody th{font-size:1rem}
td{display:grid;grid-template-columns:8.5rem minmax(0,1fr);gap:0 .75rem}
td::before{content:attr(data-title);color:var(--quiet)}
td>*{grid-column:2}
tbody tr>.number{text-align:left;white-space:normal}
tbody tr>.number+.text,tbody tr>.number+.wide{padding-left:0}
.text .mark{white-space:normal}
.line+.line{margin-top:0}
td code{min-width:0;max-width:none}
td code{font-size:.75rem}
}
@media screen{
@media (prefers-color-scheme:dark){:root{${dark}}}
}
@media print{
@page{margin:16mm 14mm}
body{font-size:10pt}
header,.columns,footer{max-width:none;padding:0}
header{padding-bottom:1rem}
.columns{display:block}
nav ol{position:static;display:flex;flex-wrap:wrap;gap:0 1.4rem}
h1{font-size:24pt}
h2{position:static;break-after:avoid}
h3,h4,caption,figcaption,thead{break-after:avoid}
tr,li,.tiles div,figure .bars li{break-inside:avoid}
thead{display:table-header-group}
.rack,.chart{break-inside:avoid}
main>section{margin-bottom:2rem}
.tiles{grid-template-columns:repeat(3,1fr);gap:1rem 1.5rem;margin-top:1rem}
.tiles .large{font-size:14pt}
.tiles dt,.tiles .quiet{font-size:8.5pt}
.beside{gap:1rem 2rem}
.beside>:last-child{flex-basis:15rem}
.sources{font-size:7.5pt;margin-top:1rem}
figure{margin:1rem 0}
table{margin:1rem 0}
table{font-size:8.5pt}
td code{min-width:0;font-size:7pt}
th,td{padding:.25rem .6rem .25rem 0}
.wide{min-width:6rem}
.tip,.skip{display:none!important}
svg,.bar{-webkit-print-color-adjust:exact;print-color-adjust:exact}
a{text-decoration:none}
}
`;

/** The page's only style sheet: system fonts, one accent colour, light and dark as the reader's system has it, paper is light. */
export const style = `:root{color-scheme:light dark;${light}}${text}`;
