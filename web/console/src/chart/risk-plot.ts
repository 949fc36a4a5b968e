/**
 * How risk over time is drawn: the line takes the colour of the band it is in, thresholds are dashed, and from the
 * hand-over on the ground is tinted.
 */

import type uPlot from "uplot";
import { formatElapsed } from "../format/time.ts";
import type { Thresholds } from "../format/risk.ts";
import type { Palette } from "./palette.ts";

/** What is marked in the plot; read at each drawing, so that it may change. */
export interface Marks {
  thresholds: Thresholds;
  /** Seconds on the time axis, or null. */
  handOver: number | null;
  palette: Palette;
}

export interface PlotShape {
  width: number;
  height: number;
  /** The large plot names its lines and follows the pointer. */
  detailed: boolean;
  onHover: (index: number | null) => void;
}

/** The time axis never shows less than this, so that a young session does not look wild. */
const SPAN_SECONDS_MIN = 60;
export const FONT = "11px Inter, system-ui, sans-serif";

export function plotOptions(shape: PlotShape, marks: () => Marks): uPlot.Options {
  const ink = (): string => marks().palette["ink-soft"];
  return {
    width: shape.width,
    height: shape.height,
    padding: [shape.detailed ? 18 : 14, 16, 0, 0],
    legend: { show: false },
    cursor: shape.detailed ? { y: false, drag: { x: false, y: false }, points: { size: 8 } } : { show: false },
    scales: {
      x: { time: false, range: (_plot, _min, max) => [0, Math.max(SPAN_SECONDS_MIN, Number.isFinite(max) ? max : 0)] },
      y: { range: [0, 100] },
    },
    axes: [
      {
        stroke: ink,
        font: FONT,
        size: 22,
        gap: 4,
        space: shape.detailed ? 90 : 70,
        grid: { show: false },
        ticks: { show: false },
        incrs: [10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600],
        values: (_plot, splits) => splits.map(formatElapsed),
      },
      {
        stroke: ink,
        font: FONT,
        size: 30,
        gap: 4,
        splits: () => [0, 50, 100],
        grid: { stroke: () => marks().palette.line, width: 1 },
        ticks: { show: false },
      },
    ],
    series: [
      {},
      {
        label: "risk",
        width: 2,
        spanGaps: true,
        stroke: (plot) => bandGradient(plot, marks()),
        fill: () => withAlpha(marks().palette["ink-soft"], 0.09),
        points: { show: false },
      },
      {
        label: "not judged",
        stroke: () => marks().palette["risk-learning"],
        paths: () => null,
        points: { show: true, size: 4, width: 0, fill: () => marks().palette["risk-learning"] },
      },
    ],
    hooks: {
      drawClear: [(plot) => { tintHandOver(plot, marks()); }],
      draw: [(plot) => { drawThresholds(plot, marks(), shape.detailed); drawHandOver(plot, marks()); }],
      setCursor: shape.detailed ? [(plot) => { shape.onHover(plot.cursor.idx ?? null); }] : [],
    },
  };
}

/** Green, amber, red with hard edges at the thresholds. */
function bandGradient(plot: uPlot, { thresholds, palette }: Marks): CanvasGradient | string {
  const top = plot.valToPos(100, "y", true);
  const bottom = plot.valToPos(0, "y", true);
  // Before the first layout there are no positions yet.
  if (!Number.isFinite(top) || !Number.isFinite(bottom)) return palette["risk-allow"];
  const gradient = plot.ctx.createLinearGradient(0, top, 0, bottom);
  const add = (risk: number, color: string): void => {
    gradient.addColorStop(Math.min(1, Math.max(0, (100 - risk) / 100)), color);
  };
  add(100, palette["risk-terminate"]);
  add(thresholds.terminate, palette["risk-terminate"]);
  add(thresholds.terminate, palette["risk-step_up"]);
  add(thresholds.step_up, palette["risk-step_up"]);
  add(thresholds.step_up, palette["risk-allow"]);
  add(0, palette["risk-allow"]);
  return gradient;
}

/** Tokens are six-digit hexadecimal; anything else stays as it is. */
function withAlpha(color: string, alpha: number): string {
  if (alpha >= 1 || !/^#[0-9a-f]{6}$/i.test(color)) return color;
  return color + Math.round(alpha * 255).toString(16).padStart(2, "0");
}

function drawThresholds(plot: uPlot, { thresholds, palette }: Marks, named: boolean): void {
  const { ctx, bbox } = plot;
  const lines = [
    { risk: thresholds.step_up, color: palette["risk-step_up"], name: "step up" },
    { risk: thresholds.terminate, color: palette["risk-terminate"], name: "terminate" },
  ];
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.font = scaled(FONT);
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  for (const { risk, color, name } of lines) {
    const y = Math.round(plot.valToPos(risk, "y", true));
    ctx.strokeStyle = withAlpha(color, 0.75);
    ctx.fillStyle = color;
    line(ctx, bbox.left, y, bbox.left + bbox.width, y);
    if (named) ctx.fillText(`${name} ${risk}`, bbox.left + 4 * devicePixelRatio, y - devicePixelRatio);
  }
  ctx.restore();
}

function tintHandOver(plot: uPlot, { handOver, palette }: Marks): void {
  const x = handOverX(plot, handOver);
  if (x === null) return;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = palette["mark-soft"];
  ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
  ctx.restore();
}

function drawHandOver(plot: uPlot, { handOver, palette }: Marks): void {
  const x = handOverX(plot, handOver);
  if (x === null) return;
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = palette.mark;
  ctx.fillStyle = palette.mark;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  line(ctx, x, bbox.top, x, bbox.top + bbox.height);
  ctx.font = scaled(FONT);
  ctx.textBaseline = "bottom";
  const text = "hands change";
  const fits = x + ctx.measureText(text).width < bbox.left + bbox.width;
  ctx.textAlign = fits ? "left" : "right";
  ctx.fillText(text, x, bbox.top - 2 * devicePixelRatio);
  ctx.restore();
}

/** Canvas position of the hand-over; null where there is none, or it is not in the picture (yet, or any more). */
function handOverX(plot: uPlot, handOver: number | null): number | null {
  const { min, max } = plot.scales.x ?? {};
  if (handOver === null || min === undefined || max === undefined) return null;
  return handOver < min || handOver > max ? null : Math.round(plot.valToPos(handOver, "x", true));
}

function line(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

function scaled(font: string): string {
  return font.replace(/^(\d+)px/, (_, size: string) => `${Number(size) * devicePixelRatio}px`);
}
