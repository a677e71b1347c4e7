import { uiStory } from './support/ui-story.ts';

uiStory('amd64', 'ssh');
uiStory('arm64', 'serial');
