import type { Widgets } from 'blessed';
import type { Widgets as Contrib } from 'blessed-contrib';
import { roundMax } from './history.ts';
import type { Area } from './layout.ts';
import type { BlessedParts } from './load-blessed.ts';
import { type Span, tagged } from './text.ts';

export interface ChartLine {
  color: string;
  values: number[];
}

/** A line chart with a frame, and its legend in a frame beside it. */
export class Chart {
  private readonly line: Contrib.LineElement;
  private readonly legend: Widgets.BoxElement;
  private readonly color: boolean;

  constructor(parts: BlessedParts, screen: Widgets.Screen, label: string, color: boolean) {
    this.color = color;
    const frame = { border: { type: 'line' as const }, ...(color && { style: { border: { fg: 'cyan' } } }) };
    const quiet = color ? 'cyan' : 'normal';
    this.line = parts.lineChart({
      label,
      border: frame.border,
      style: { ...frame.style, line: 'normal', text: quiet, baseline: quiet },
      minY: 0,
      wholeNumbersOnly: true,
    });
    this.legend = parts.blessed.box({ tags: true, wrap: false, ...frame });
    screen.append(this.line);
    screen.append(this.legend);
  }

  hide(): void {
    this.line.hide();
    this.legend.hide();
  }

  /** Puts it where it belongs; its canvas is as large as it was when it was attached, so it is attached anew. */
  place(line: Area, legend: Area): void {
    Object.assign(this.line, line);
    Object.assign(this.legend, legend);
    this.line.options.numYLabels = line.height >= 12 ? 5 : 2;
    this.line.show();
    this.legend.show();
    this.line.emit('attach');
  }

  /** `times`: one label for each value. With fewer than two there is no line yet. */
  draw(lines: readonly ChartLine[], times: string[], legend: readonly Span[][]): void {
    const width = Number(this.legend.width) - 2;
    this.legend.setContent(legend.map((spans) => tagged(spans, width, this.color)).join('\n'));
    if (times.length < 2 || lines.length === 0) return;
    // Without a maximum it would divide by the largest value, which may be 0.
    this.line.options.maxY = roundMax(lines.flatMap(({ values }) => values));
    this.line.setData(
      lines.map(({ color, values }) => ({ x: times, y: values, style: { line: this.color ? color : 'normal' } })),
    );
  }
}
