export interface Area {
  top: number;
  left: number;
  width: number;
  height: number;
}

export interface Layout {
  header: Area;
  gauges: Area;
  /** Absent where the terminal is too small for charts. */
  charts?: { cpu: Area; cpuLegend: Area; memory: Area; memoryLegend: Area };
  table: Area;
  log: Area;
}

const leastChartColumns = 60;
const leastChartRows = 18;
/** With its frame and what the canvas keeps free; a smaller one would have no dots at all. */
const leastChartHeight = 7;
const leastLog = 4;

/** Where everything is on a terminal of this size; `components`: rows that the table wants. */
export function layoutFor(columns: number, rows: number, components: number): Layout {
  const row = (top: number, height: number): Area => ({ top, left: 0, width: columns, height: Math.max(0, height) });
  const hasCharts = columns >= leastChartColumns && rows >= leastChartRows;
  const chartHeight = hasCharts ? Math.min(16, Math.max(leastChartHeight, Math.floor((rows - 2) * 0.4))) : 0;
  const top = 2 + chartHeight;
  const tableHeight = Math.max(2, Math.min(components + 1, rows - top - leastLog));
  return {
    header: row(0, 1),
    gauges: row(1, 1),
    ...(hasCharts && { charts: chartAreas(columns, chartHeight) }),
    table: row(top, Math.min(tableHeight, rows - top)),
    log: row(top + tableHeight, rows - top - tableHeight),
  };
}

function chartAreas(columns: number, height: number): Layout['charts'] {
  const half = Math.floor(columns / 2);
  const legend = Math.min(26, Math.floor(half * 0.42));
  const pair = (left: number, width: number): [Area, Area] => [
    { top: 2, left, width: width - legend, height },
    { top: 2, left: left + width - legend, width: legend, height },
  ];
  const [cpu, cpuLegend] = pair(0, half);
  const [memory, memoryLegend] = pair(half, columns - half);
  return { cpu, cpuLegend, memory, memoryLegend };
}
