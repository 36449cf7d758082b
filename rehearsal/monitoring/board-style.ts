/**
 * Style of a board's page. Colours of series are apart in hue and in lightness, so that they can be told apart with any kind
 * of colour blindness, and have a contrast of 3 to 1 and more to the ground they lie on; text never has a series' colour.
 */
export const style = `
:root {
  --ground: #f4f4f1; --panel: #fcfcfb; --edge: #dfdfd9; --text: #1d1d1b; --quiet: #5f5f58; --grid: #e8e8e2;
  --s1: #2a6fd6; --s2: #c4570a; --s3: #14806a; --s4: #8a4fc4; --s5: #a88400; --s6: #c23a83; --s7: #3a93b8; --s8: #6b4a2c; --rest: #a3a39b;
  --good: #1c8a4c; --notice: #b28a00; --warn: #c4570a; --bad: #c62f2f; --info: #2a6fd6; --idle: #8b8b84; --on-state: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121211; --panel: #1b1b1a; --edge: #343431; --text: #ededea; --quiet: #a8a8a0; --grid: #2b2b29;
    --s1: #6ea6f5; --s2: #f0924a; --s3: #3fbf9c; --s4: #b394f2; --s5: #d9bb3c; --s6: #ee7db3; --s7: #7fcde8; --s8: #c4a083; --rest: #6f6f69;
    --good: #3fae6f; --notice: #d9bb3c; --warn: #f0924a; --bad: #f06a6a; --info: #6ea6f5; --idle: #77776f; --on-state: #121211;
  }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 16px; background: var(--ground); color: var(--text); font: 14px/1.45 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
header, main { max-width: 1400px; margin: 0 auto; }
header { margin-bottom: 4px; }
h1 { font-size: 22px; margin: 0 0 2px; }
header p { margin: 0; }
.quiet, .more { color: var(--quiet); font-size: 13px; }
main { display: grid; grid-template-columns: repeat(24, minmax(0, 1fr)); gap: 10px; align-items: stretch; }
h2 { grid-column: 1 / -1; font-size: 15px; margin: 14px 0 0; }
section { grid-column: span var(--columns); background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 9px 12px 10px; position: relative; min-width: 0; display: flex; flex-direction: column; min-height: calc(var(--rows) * 26px); }
h3 { font-size: 13px; font-weight: 600; margin: 0 22px 6px 0; }
section p { margin: 0; }
details { position: absolute; top: 8px; right: 8px; text-align: right; }
summary { list-style: none; cursor: pointer; width: 17px; height: 17px; margin-left: auto; border-radius: 50%; border: 1px solid var(--edge); color: var(--quiet); font: italic 12px/15px Georgia, serif; text-align: center; }
summary::-webkit-details-marker { display: none; }
details[open] { z-index: 2; left: 8px; }
details[open] p { margin-top: 6px; text-align: left; white-space: pre-line; background: var(--panel); border: 1px solid var(--edge); border-radius: 6px; padding: 10px 12px; box-shadow: 0 6px 20px rgb(0 0 0 / 0.18); font-size: 13px; }
svg { display: block; width: 100%; height: auto; }
.tick { font-size: 11px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--grid); stroke-width: 1; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.area { stroke: none; fill-opacity: 0.25; }
.limit { stroke: var(--bad); stroke-width: 1.4; stroke-dasharray: 5 4; }
.limit-label { font-size: 11px; fill: var(--text); paint-order: stroke; stroke: var(--panel); stroke-width: 3px; }
${["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "rest"].map((name) => `.line.${name} { stroke: var(--${name}); } .area.${name} { fill: var(--${name}); } .key.${name} { background: var(--${name}); }`).join("\n")}
.line.rest { stroke-width: 1; }
${["good", "notice", "warn", "bad", "info", "idle"].map((name) => `g.${name} rect { fill: var(--${name}); } .square.${name}, .dot.${name} { background: var(--${name}); }`).join("\n")}
.in-state { font-size: 11px; fill: var(--on-state); }
.legend { list-style: none; margin: auto 0 0; padding: 6px 0 0; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; }
.legend b { font-weight: 600; font-variant-numeric: tabular-nums; }
.key { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
.square { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.stat { container-type: inline-size; }
.stat h3 { font-size: 12px; letter-spacing: -0.01em; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.big { font-size: min(27px, calc(150cqw / var(--characters))); line-height: 31px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.verdict { min-height: 19px; font-size: 12px; color: var(--quiet); }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px; }
.spark { height: 34px; margin-top: auto; }
.bars { list-style: none; margin: 2px 0 0; padding: 0; display: grid; gap: 8px; font-size: 12px; }
.bars li { display: grid; grid-template-columns: 1fr auto; gap: 0 10px; }
.bars b { font-weight: 600; font-variant-numeric: tabular-nums; }
.bars span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars i { grid-column: 1 / -1; height: 7px; border-radius: 3px; background: var(--s1); }
.scroll { overflow: auto; max-height: calc(var(--rows) * 34px); }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; }
.number { text-align: right; padding-right: 0; padding-left: 12px; font-variant-numeric: tabular-nums; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.92em; }
@media (max-width: 900px) { section { grid-column: 1 / -1; } .stat { grid-column: span 12; } }
`;
