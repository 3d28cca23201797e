"""The look of the page: one column, the reader's own fonts, light and dark, phone and paper."""

CSS = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1b1f24;--soft:#5c6670;--rule:#dfe3e8;--card:#f6f7f9;
--pass:#10713a;--fail:#b3261e;--open:#8a5a00;--ref:#7a7f86;--limit:#b3261e;
--c0:#7a7f86;--c1:#0072b2;--c2:#d55e00;--c3:#009e73;--c4:#a63d80;--c5:#8a6d00;--c6:#3b6fb6}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--ink:#e6e8ea;--soft:#9aa4ae;--rule:#2c3238;
--card:#1c2024;--pass:#5bd08a;--fail:#ff8a80;--open:#f0b95b;--ref:#9aa4ae;--limit:#ff8a80;
--c0:#9aa4ae;--c1:#5ab4e8;--c2:#ff9a52;--c3:#3fd0a4;--c4:#e48bc4;--c5:#d8bd4a;--c6:#8fb3ea}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1.5rem 1.1rem 4rem;background:var(--bg);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2.6rem 0 .7rem;padding-bottom:.25rem;border-bottom:1px solid var(--rule)}
h3{font-size:.95rem;margin:1.4rem 0 .4rem}
p{margin:.4rem 0}.soft,.note{color:var(--soft)}.note{font-size:.85rem}
code,pre,.mono{font:0.84rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--card);padding:.7rem .8rem;overflow-x:auto;border-radius:6px;margin:.5rem 0}
.verdict{display:grid;
grid-template-columns:minmax(8rem,auto) 1fr;gap:.1rem 1rem;padding:.7rem .9rem;
margin:.5rem 0;background:var(--card);
border:0 solid var(--open);border-left-width:5px;border-radius:4px}
.verdict b{font-size:1.05rem;overflow-wrap:anywhere}.verdict .word{font-weight:700}
.verdict .why{grid-column:1/-1;color:var(--soft);font-size:.92rem}
.pass{border-color:var(--pass)}.fail{border-color:var(--fail)}
.word.pass,td .pass{color:var(--pass)}.word.fail,td .fail{color:var(--fail)}
.word.inconclusive,.word.unknown,td .unknown,td .inconclusive{color:var(--open)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;min-width:100%}
th,td{text-align:left;padding:.32rem .9rem .32rem 0;border-bottom:1px solid var(--rule);
vertical-align:top;white-space:nowrap}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right}td.say{white-space:normal;min-width:16rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:.6rem 1.6rem}
figure{margin:.6rem 0}figcaption{color:var(--soft);font-size:.85rem;margin-bottom:.2rem}
figure img{max-width:100%;height:auto;display:block;border-radius:3px}
.chart{width:100%;height:auto;display:block}.chart text{fill:var(--soft);font-size:11.5px;
paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}
.grid{stroke:var(--rule)}.refline{stroke:var(--ref);stroke-dasharray:4 3}
.limit{stroke:var(--limit);stroke-dasharray:6 3}
.line{fill:none;stroke-width:1.8}.bar{stroke-width:2}.band{opacity:.16;stroke:none}.dot{opacity:.55}
.weak{stroke:var(--ref);opacity:.3}.strong{stroke-width:2}.axis{stroke:var(--soft)}
.ref{fill:var(--ref);stroke:var(--ref)}
circle{stroke:none!important}
circle.hollow{fill:none;stroke:var(--ref)!important;stroke-width:1.4}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.88rem}
.c0{stroke:var(--c0);fill:var(--c0)}.c1{stroke:var(--c1);fill:var(--c1)}
.c2{stroke:var(--c2);fill:var(--c2)}.c3{stroke:var(--c3);fill:var(--c3)}
.c4{stroke:var(--c4);fill:var(--c4)}.c5{stroke:var(--c5);fill:var(--c5)}
.c6{stroke:var(--c6);fill:var(--c6)}.line{fill:none}
ul{padding-left:1.1rem;margin:.4rem 0}li{margin:.25rem 0}
@media(max-width:34rem){body{padding:1rem .8rem 3rem}pre{white-space:pre-wrap}
.verdict{grid-template-columns:1fr}}
@media print{:root{--bg:#fff;--ink:#000;--soft:#444;--rule:#ccc;--card:#fff;--pass:#10713a;
--fail:#b3261e;--open:#8a5a00;--ref:#7a7f86;--limit:#b3261e;--c0:#7a7f86;--c1:#0072b2;--c2:#d55e00;
--c3:#009e73;--c4:#a63d80;--c5:#8a6d00;--c6:#3b6fb6}
html{font-size:9.5pt}
body{max-width:none;padding:0;font-size:9.5pt}.wide{overflow:visible}table{font-size:7.4pt}
th,td{padding-right:.5rem}.verdict{border-width:1px 1px 1px 5px}
h2,h3{break-after:avoid}figure,.verdict,tr{break-inside:avoid}
pre{white-space:pre-wrap;border:1px solid #ccc}.chart{min-width:0!important}
th,td{white-space:normal}td.n,.mono{white-space:nowrap}figure img{max-height:20cm}}
"""
