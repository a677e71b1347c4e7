import type { TransferPlan, TransferRate } from '../../shared/api/types.ts';
import { formatBytes, formatMilliseconds } from '../../shared/text/format.ts';

/** "541 B instead of 729 kB: 1 file in 1 layer as a difference, about 50 ms at 10.9 kB/s". */
export function transferWords({ parts, bytes, seconds, rate }: TransferPlan): string {
  if (parts.length === 0) return 'nothing to send';
  const wholeBytes = parts.reduce((sum, part) => sum + part.wholeBytes, 0);
  const differences = parts.filter(({ method }) => method === 'difference');
  const files = differences.reduce((sum, part) => sum + (part.files ?? 0), 0);
  const wholes = parts.length - differences.length;
  const ways = [
    ...(differences.length === 0
      ? []
      : [`${count(files, 'file')} in ${count(differences.length, 'layer')} as a difference`]),
    ...(wholes === 0 ? [] : [count(wholes, 'whole layer')]),
  ];
  const instead = formatBytes(wholeBytes) === formatBytes(bytes) ? '' : ` instead of ${formatBytes(wholeBytes)}`;
  return `${formatBytes(bytes)}${instead}: ${ways.join(', ')}, about ${formatMilliseconds(seconds * 1000)} at ${rateWords(rate)}`;
}

export function rateWords({ bytesPerSecond, how }: TransferRate): string {
  const rate = `${formatBytes(bytesPerSecond)}/s`;
  return how === 'known' ? rate : `${rate} (${how === 'guessed' ? 'a guess' : 'measured'})`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
