/** One line over time: a rate, or the evidence of a session. The same facts stand beside it as text. */

import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import { formatElapsed } from "../format/time.ts";
import { useScheme } from "../theme/use-scheme.ts";
import { FONT } from "./risk-plot.ts";
import { readPalette, type Palette } from "./palette.ts";
import classes from "./RiskChart.module.css";

export interface Points {
  /** Seconds. */
  x: number[];
  y: number[];
}

/** `rate`: from zero up, time backwards from now. `evidence`: zero in the middle, time forwards. */
type Shape = "rate" | "evidence";

interface LineChartProps {
  points: Points;
  shape: Shape;
  height: number;
  /** What the picture shows, in words. */
  label: string;
}

export function LineChart({ points, shape, height, label }: LineChartProps) {
  const scheme = useScheme();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const palette = useRef<Palette | null>(null);
  const data = useMemo((): uPlot.AlignedData => [points.x, points.y], [points]);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const read = (): Palette => (palette.current ??= readPalette(element));
    const made = new uPlot({ ...optionsOf(shape, read), width: element.clientWidth, height }, [[], []], element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, height]);

  useEffect(() => {
    palette.current = null;
    plot.current?.setData(data);
  }, [data, shape, height, scheme]);

  return <div ref={host} className={classes.chart} style={{ height }} role="img" aria-label={label} />;
}

function optionsOf(shape: Shape, palette: () => Palette): Omit<uPlot.Options, "width" | "height"> {
  const ink = (): string => palette()["ink-soft"];
  return {
    padding: [8, 14, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: (_plot, min, max) => (shape === "rate" ? [Math.min(min, -60), 0] : [0, Math.max(60, max)]) },
      y: { range: (_plot, min, max) => (shape === "rate" ? [0, Math.max(1, max * 1.15)] : [Math.min(-2, min - 0.3), Math.max(2, max + 0.3)]) },
    },
    axes: [
      {
        stroke: ink,
        font: FONT,
        size: 22,
        gap: 4,
        space: 70,
        grid: { show: false },
        ticks: { show: false },
        incrs: [10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600],
        values: (_plot, splits) => splits.map((at) => (shape === "rate" ? ago(at) : formatElapsed(at))),
      },
      {
        stroke: ink,
        font: FONT,
        size: 34,
        gap: 4,
        space: 30,
        grid: { stroke: () => palette().line, width: 1 },
        ticks: { show: false },
      },
    ],
    series: [
      {},
      {
        width: 2,
        stroke: () => palette().mark,
        points: { show: false },
        ...(shape === "rate" ? { fill: () => palette()["mark-soft"] } : {}),
      },
    ],
  };
}

function ago(seconds: number): string {
  return seconds === 0 ? "now" : `−${formatElapsed(-seconds)}`;
}
