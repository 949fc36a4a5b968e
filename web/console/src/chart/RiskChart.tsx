/** Risk over time of one session. A picture for the eye; the same facts stand beside it as text. */

import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import type { Decision } from "../api/wire.ts";
import type { Thresholds } from "../format/risk.ts";
import { useScheme } from "../theme/use-scheme.ts";
import { readPalette } from "./palette.ts";
import { plotOptions, type Marks } from "./risk-plot.ts";
import { originOf, toColumns, toSeconds } from "./series.ts";
import classes from "./RiskChart.module.css";

interface RiskChartProps {
  decisions: readonly Decision[];
  thresholds: Thresholds;
  handOver_us: number | null;
  height: number;
  /** What the picture shows, in words. */
  label: string;
  detailed?: boolean;
  /** The decision under the pointer; only where `detailed`. */
  onHover?: (index: number | null) => void;
}

const NOTHING = (): void => undefined;

export function RiskChart(props: RiskChartProps) {
  const { decisions, thresholds, handOver_us, height, label, detailed = false, onHover = NOTHING } = props;
  const scheme = useScheme();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const marks = useRef<Marks | null>(null);
  const hover = useRef(onHover);
  const columns = useMemo(() => toColumns(decisions), [decisions]);

  useEffect(() => {
    hover.current = onHover;
  }, [onHover]);

  // Data and marks go in first: the plot that is made below draws them at once.
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const handOver = handOver_us === null ? null : toSeconds(handOver_us, originOf(decisions));
    marks.current = { thresholds, handOver, palette: readPalette(element) };
    plot.current?.setData(columns);
  }, [columns, decisions, thresholds, handOver_us, scheme]);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const read = (): Marks =>
      marks.current ?? { thresholds: { step_up: 100, terminate: 100 }, handOver: null, palette: readPalette(element) };
    const shape = { width: element.clientWidth, height, detailed, onHover: (index: number | null) => { hover.current(index); } };
    const made = new uPlot(plotOptions(shape, read), [[], [], []], element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      // Hidden tabs have no width; they are measured again when they show.
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [height, detailed]);

  useEffect(() => {
    plot.current?.setData(columns);
  }, [columns, height, detailed]);

  return <div ref={host} className={classes.chart} style={{ height }} role="img" aria-label={label} />;
}
