import { deviceStory } from './support/story.ts';

deviceStory('amd64', 'ssh', 'whole');
deviceStory('amd64', 'serial', 'short');
