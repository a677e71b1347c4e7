import type { Widgets } from 'blessed';
import { formatBytes } from '../shared/text/format.ts';
import { Chart } from './chart.ts';
import { type Series, SeriesChooser } from './history.ts';
import { type Layout, layoutFor } from './layout.ts';
import { loadBlessed, terminalName, withoutExitHandlers } from './load-blessed.ts';
import { gaugesRow, headerRow, legendRows, logRows, tableRows } from './rows.ts';
import type { DashboardState } from './state.ts';
import { type Span, tagged } from './text.ts';

type BoxName = 'header' | 'gauges' | 'table' | 'log';

/** The dashboard on the terminal: takes it when made, gives it back with `restore`. */
export class DashboardScreen {
  private readonly screen: Widgets.Screen;
  private readonly boxes: Record<BoxName, Widgets.BoxElement>;
  private readonly cpu: Chart;
  private readonly memory: Chart;
  private readonly chooser = new SeriesChooser();
  private readonly color: boolean;
  private placed = '';
  private restored = false;

  /** `onResize` asks for a `draw`; `onLeave`: the person pressed q, Esc or ctrl-c. */
  constructor(color: boolean, on: { resize: () => void; leave: () => void }) {
    const parts = loadBlessed();
    const { blessed } = parts;
    this.color = color;
    const terminal = terminalName(process.env.TERM);
    this.screen = withoutExitHandlers(() => blessed.screen({ forceUnicode: true, terminal }));
    // Frames as Unicode, as everything else here: no switching to another character set and back.
    Object.assign(this.screen.tput, { brokenACS: true });
    const box = () => {
      const element = blessed.box({ tags: true, wrap: false });
      this.screen.append(element);
      return element;
    };
    this.boxes = { header: box(), gauges: box(), table: box(), log: box() };
    this.cpu = new Chart(parts, this.screen, ' CPU % ', color);
    this.memory = new Chart(parts, this.screen, ' Memory MB ', color);
    this.screen.key(['q', 'escape', 'C-c'], on.leave);
    this.screen.on('resize', on.resize);
  }

  draw(state: DashboardState): void {
    if (this.restored) return;
    const layout = layoutFor(Number(this.screen.width), Number(this.screen.height), state.rows.length);
    this.place(layout);
    this.fill('header', layout, [headerRow(state, layout.header.width)]);
    this.fill('gauges', layout, [gaugesRow(state, layout.gauges.width)]);
    this.fill('table', layout, tableRows(state, layout.table.width, layout.table.height));
    this.fill('log', layout, logRows(state, layout.log.height));
    if (layout.charts) this.drawCharts(state, layout.charts);
    this.screen.render();
  }

  /** Gives the terminal back as it was found, synchronously; harmless when that has been done. */
  restore(): void {
    if (this.restored) return;
    this.restored = true;
    this.screen.destroy();
    // blessed leaves scroll margins of this window's size behind, which would cut a window that grows.
    process.stdout.write('\x1b7\x1b[r\x1b8');
  }

  private fill(name: BoxName, layout: Layout, rows: Span[][]): void {
    const { width, height } = layout[name];
    const lines = rows.slice(0, height).map((spans) => tagged(spans, width, this.color));
    this.boxes[name].setContent(lines.join('\n'));
  }

  private place(layout: Layout): void {
    const key = JSON.stringify(layout);
    if (key === this.placed) return;
    this.placed = key;
    for (const name of ['header', 'gauges', 'table', 'log'] as const) Object.assign(this.boxes[name], layout[name]);
    const { charts } = layout;
    if (charts) {
      this.cpu.place(charts.cpu, charts.cpuLegend);
      this.memory.place(charts.memory, charts.memoryLegend);
    } else {
      this.cpu.hide();
      this.memory.hide();
    }
  }

  private drawCharts(state: DashboardState, charts: NonNullable<Layout['charts']>): void {
    const width = charts.cpuLegend.width - 2;
    const series = this.chooser.choose(state.samples, state.rows, charts.cpuLegend.height - 2);
    const times = state.samples.map(({ at }) => new Date(at).toTimeString().slice(0, 8));
    const cpu = (each: Series) => `${(each.cpuPercent.at(-1) ?? 0).toFixed(1)} %`;
    const memory = (each: Series) => formatBytes(each.memoryBytes.at(-1) ?? 0);
    this.cpu.draw(
      series.map(({ color, cpuPercent }) => ({ color, values: cpuPercent })),
      times,
      legendRows(series, cpu, width),
    );
    this.memory.draw(
      series.map(({ color, memoryBytes }) => ({ color, values: memoryBytes.map((bytes) => bytes / 1e6) })),
      times,
      legendRows(series, memory, width),
    );
  }
}
