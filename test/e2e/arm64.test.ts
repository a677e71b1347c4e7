import { deviceStory } from './support/story.ts';

deviceStory('arm64', 'ssh', 'short');
deviceStory('arm64', 'serial', 'whole');
