"""The page's style sheet: light, dark, narrow and printed."""

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1a2029;--soft:#586272;--line:#dfe3e9;--grid:#e3e7ed;
--band:#f0f3f8;--onfill:#fff;--up:#0d7a4f;--down:#bf2f2f;--upbg:#e5f5ee;--downbg:#fbeaea;--mark:#fff6df;
--c0:#2563c9;--c1:#c9610a;--c2:#0d857a;--c3:#b0307f;--c4:#6d49c4;--c5:#8a8f98;--c6:#8b6d14;--c7:#c23a3a}
@media (prefers-color-scheme:dark){:root{--bg:#12151a;--card:#1b2027;--ink:#e7eaef;--soft:#9ea8b6;--line:#303743;
--grid:#2b323c;--band:#252c36;--onfill:#10141a;--up:#4cc38a;--down:#f07f7f;--upbg:#17301f;--downbg:#3a1f22;--mark:#352e1a;
--c0:#6ea8ff;--c1:#f0994e;--c2:#3fc4b4;--c3:#ec7ac0;--c4:#a68bf5;--c5:#8f98a5;--c6:#cdae4e;--c7:#f08080}}
.t0{--tone:var(--c0)}.t1{--tone:var(--c1)}.t2{--tone:var(--c2)}.t3{--tone:var(--c3)}
.t4{--tone:var(--c4)}.t5{--tone:var(--c5)}.t6{--tone:var(--c6)}.t7{--tone:var(--c7)}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 14px;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:40px 0 12px;padding-top:8px}
h3{font-size:.98rem;margin:0 0 8px}h4{font-size:.8rem;margin:0 0 4px;color:var(--soft);font-weight:600}
nav{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line)}
nav div{max-width:1240px;margin:0 auto;padding:9px 20px;display:flex;gap:18px;overflow-x:auto;font-size:.92rem}
nav a{color:var(--soft);text-decoration:none;white-space:nowrap}nav a:hover,nav a:focus{color:var(--ink)}
section{scroll-margin-top:44px}
a:focus-visible,summary:focus-visible,select:focus-visible,.chart:focus-visible{outline:2px solid var(--c0);
outline-offset:2px;border-radius:6px}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px;margin:0 0 16px;
min-width:0}
.grid{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr))}
.grid.two{grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr))}.grid .card{margin:0}
.facts{display:flex;flex-wrap:wrap;gap:6px 26px;margin:0;font-size:.9rem}.facts div{display:flex;gap:7px;min-width:0}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
.badge{display:inline-block;font-size:.78rem;font-weight:600;border-radius:99px;padding:3px 11px;vertical-align:middle;
background:var(--band);color:var(--soft);letter-spacing:0}
.badge.finished{background:var(--upbg);color:var(--up)}.badge.failed{background:var(--downbg);color:var(--down)}
.badge.running,.badge.interrupted,.badge.stopped{background:var(--mark);color:var(--ink)}
.note{background:var(--mark);border-radius:8px;padding:8px 12px;margin:12px 0;font-size:.92rem}
.note.bad{background:var(--downbg)}
.hint,.caption,figcaption{color:var(--soft);font-size:.88rem;line-height:1.45}.hint{max-width:75ch}
.caption{margin:10px 0 0}figcaption{margin-top:8px}
.tiles{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));margin-bottom:16px}
.tile.card{margin:0}.tile p{margin:0;color:var(--soft);font-size:.9rem}.tile h3{color:var(--soft);font-weight:600}
.tile .big{font-size:1.9rem;line-height:1.25;color:var(--soft);margin:0 0 6px;font-variant-numeric:tabular-nums}
.tile strong{color:var(--ink)}.up{color:var(--up);font-weight:600}.down{color:var(--down);font-weight:600}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding-bottom:8px;font-size:.98rem}
th,td{padding:7px 10px;border-top:1px solid var(--line);text-align:left;vertical-align:middle;font-weight:400}
thead th{color:var(--soft);font-size:.82rem;border-top:0;padding-top:2px}th:first-child{padding-left:0}
tr>:last-child{padding-right:0}tfoot th{font-weight:650;border-top:2px solid var(--line)}
tbody th{font-weight:600}th small{color:var(--soft);font-weight:400}
.num{text-align:right;white-space:nowrap}.num small{display:block;color:var(--soft)}.scroll{overflow-x:auto}
.scale{table-layout:fixed}.scale th:first-child{width:20%;overflow-wrap:anywhere}
.scale .num{width:26%;white-space:normal}
.track div{position:relative;height:26px;background:linear-gradient(90deg,var(--grid) 1px,
transparent 1px) 0 0/25% 100%;border-right:1px solid var(--grid)}
.whisker{position:absolute;top:10px;height:6px;border-radius:3px;background:var(--c0);opacity:.45;min-width:2px}
.point{position:absolute;top:8px;width:10px;height:10px;margin-left:-5px;border-radius:50%;background:var(--c0)}
.ends{padding-right:10px}.ends span{display:inline-block;width:33.3%;text-align:center}
.ends span:first-child{text-align:left}.ends span:last-child{text-align:right}
figure{position:relative}figure h3{display:flex;align-items:baseline;gap:7px;margin-bottom:4px}
figure .unit{color:var(--soft);font-weight:400;font-size:.84rem}
figure .last{margin-left:auto;font-weight:650;font-variant-numeric:tabular-nums;white-space:nowrap}
.chart{display:block;width:100%;height:auto;overflow:visible;touch-action:pan-y}
.grid line,.chart .grid{stroke:var(--grid);stroke-width:1}.chart .line{fill:none;stroke:var(--tone);stroke-width:1.9;
stroke-linejoin:round;stroke-linecap:round}.chart .raw{stroke-width:1;opacity:.32}
.chart .dot{fill:var(--tone)}.chart .hover{fill:var(--tone);stroke:var(--card);stroke-width:1.5}
.chart text{fill:var(--soft);font-size:11px}.tick.y{text-anchor:end}.tick.x,.chart .stage{text-anchor:middle}
.chart .band{fill:var(--band)}.chart .band.b0{fill:none}.chart .rule{stroke:var(--soft);stroke-width:1;
stroke-dasharray:3 3}
.chart .alarm line{stroke:var(--down);stroke-width:1.3;stroke-dasharray:5 3}
.chart .alarm-label{fill:var(--down);font-weight:700;text-anchor:middle;paint-order:stroke;stroke:var(--card);
stroke-width:4px}.alarm-key{display:inline-block;height:1em;margin-right:8px;border-left:2px dashed var(--down);
vertical-align:-2px}.alarm-number{color:var(--down);font-weight:700}.alarms td:last-child{min-width:18em}
.tip{position:absolute;pointer-events:none;background:var(--ink);color:var(--bg);border-radius:7px;padding:5px 9px;
font-size:.8rem;line-height:1.4;white-space:nowrap;z-index:4;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:3px 14px;font-size:.84rem;color:var(--soft);margin-bottom:6px}
.key{overflow-wrap:anywhere}.key:before{content:"";display:inline-block;width:11px;height:11px;border-radius:3px;
background:var(--tone);margin-right:6px;vertical-align:-1px}
.split{display:grid;grid-template-columns:1fr auto;gap:2px 10px;margin-top:10px;font-size:.9rem}
.split .total{color:var(--soft);font-variant-numeric:tabular-nums}
.bar{grid-column:1/-1;display:flex;height:26px;border-radius:6px;overflow:hidden;background:var(--grid)}
.fill{background:var(--tone);color:var(--onfill);font-size:.78rem;line-height:26px;text-align:center;overflow:hidden;
white-space:nowrap;box-shadow:inset -1px 0 var(--card)}
.pick{display:inline-flex;gap:8px;align-items:center;margin:4px 0 14px;font-weight:600}
select{font:inherit;padding:6px 10px;border-radius:8px;border:1px solid var(--line);background:var(--card);
color:var(--ink)}
.js .step{display:none}.js .step.on{display:block}
summary{cursor:pointer;display:flex;flex-wrap:wrap;gap:4px 14px;align-items:center}
summary:before{content:"▸";color:var(--soft)}details[open]>summary:before{content:"▾"}
summary::-webkit-details-marker{display:none}
.ask{font-weight:600;flex:1 1 220px;min-width:0;overflow-wrap:anywhere}.mean{color:var(--soft);font-size:.88rem}
.ends2{display:grid;grid-template-columns:3fr 1fr;gap:14px;margin-top:12px}
@media (max-width:640px){.ends2{grid-template-columns:1fr}main{padding:16px 12px 40px}.card{padding:13px 13px}
.scale th:first-child{width:24%}.scale .num{width:31%}
.ends span:nth-child(2){display:none}.ends span{width:50%}.tile .big{font-size:1.55rem}}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:.86rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,
monospace;max-height:26em;overflow-y:auto}
.empty{color:var(--soft)}
.answers{list-style:none;margin:14px 0 0;padding:0;display:grid;gap:9px}
.answer{border-left:4px solid var(--line);padding:6px 0 6px 13px;font-weight:400;color:var(--ink)}
.answer.up{border-color:var(--up);color:var(--ink);font-weight:400}
.answer.down{border-color:var(--down);color:var(--ink);font-weight:400}
.score{display:flex;flex-wrap:wrap;gap:2px 16px;align-items:baseline;font-size:.84rem;color:var(--soft);
margin-bottom:3px;font-variant-numeric:tabular-nums}.score b{color:var(--ink)}.score .total{font-size:1.05rem;
font-weight:650;color:var(--ink);min-width:2.6em}.adv.up b{color:var(--up)}.adv.down b{color:var(--down)}
.score .facts{margin-left:auto}
@media print{nav,.pick{display:none}body{background:#fff}.card{break-inside:avoid}details{break-inside:auto}
.grid{grid-template-columns:1fr 1fr}pre{max-height:none}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
""".strip()
