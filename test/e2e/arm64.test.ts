import { deviceStory } from './support/story.ts';

deviceStory('arm64', 'ssh');
deviceStory('arm64', 'serial');
