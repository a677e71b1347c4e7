import { Box, useInput, usePaste } from 'ink';
import { type ReactElement, useMemo, useSyncExternalStore } from 'react';
import type { Context } from '../context.ts';
import { decodeKeys } from '../keys/decode.ts';
import { dispatchKey, dispatchPaste } from '../keys/dispatch.ts';
import { layoutOf, smallest } from '../store/layout.ts';
import { type AppState, currentScreen, isStale } from '../store/state.ts';
import { ComponentsScreen } from './components-screen.tsx';
import { DialogPane } from './dialog-pane.tsx';
import { DocumentScreen } from './document-screen.tsx';
import { Banner, Footer, Header, Opening, Toasts } from './frame.tsx';
import { Line } from './line.tsx';
import { LogsScreen } from './logs-screen.tsx';
import { ProgressScreen } from './progress-screen.tsx';
import { RevisionsScreen } from './revisions-screen.tsx';
import { RollbackScreen } from './rollback-screen.tsx';
import { SwapScreen } from './swap-screen.tsx';
import { PaletteContext } from './theme.ts';

/** The whole screen. The only component that hears keys; everything else only draws the state. */
export function AppView({ context }: { context: Context }): ReactElement {
  const state = useSyncExternalStore(context.store.subscribe, context.store.get);
  useInput((input, key) => {
    for (const name of decodeKeys(input, key)) dispatchKey(context, name);
  });
  usePaste((text) => dispatchPaste(context, text));
  const stale = isStale(state);
  const palette = useMemo(() => ({ color: context.color, stale }), [context.color, stale]);
  const fresh = useMemo(() => ({ color: context.color, stale: false }), [context.color]);
  const layout = layoutOf(state);
  if (layout.tooSmall) {
    const sizes = `${layout.columns}×${layout.rows}; it needs ${smallest.columns}×${smallest.rows}`;
    return (
      <Box flexDirection="column" width={layout.columns} height={layout.rows}>
        <Line spans={['The terminal is too small']} />
        <Line spans={[`(${sizes}).`]} />
      </Box>
    );
  }
  return (
    <Box flexDirection="column" width={layout.columns} height={layout.rows}>
      <PaletteContext value={palette}>
        <Header state={state} />
      </PaletteContext>
      <PaletteContext value={fresh}>
        {layout.banner > 0 && <Banner state={state} />}
        <PaletteContext value={palette}>
          <Box flexDirection="column" height={layout.body} overflow="hidden">
            <Body state={state} />
          </Box>
        </PaletteContext>
        {state.dialog && <DialogPane dialog={state.dialog} columns={layout.columns} />}
        <Toasts toasts={state.toasts} columns={layout.columns} />
        {state.opening !== undefined && <Opening what={state.opening} columns={layout.columns} />}
        <Footer state={state} />
      </PaletteContext>
    </Box>
  );
}

function Body({ state }: { state: AppState }): ReactElement | null {
  switch (currentScreen(state)) {
    case 'components':
      return <ComponentsScreen state={state} />;
    case 'logs':
      return <LogsScreen state={state} />;
    case 'inspect':
      return state.inspect ? <DocumentScreen state={state} document={state.inspect} /> : null;
    case 'help':
      return <DocumentScreen state={state} document={state.help} />;
    case 'revisions':
      return <RevisionsScreen state={state} />;
    case 'swap':
      return state.swapForm ? <SwapScreen form={state.swapForm} /> : null;
    case 'rollback':
      return state.rollbackForm ? <RollbackScreen form={state.rollbackForm} /> : null;
    case 'progress':
      return state.running ? (
        <ProgressScreen running={state.running} now={state.now} columns={state.size.columns} />
      ) : null;
  }
}
