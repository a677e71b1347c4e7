import { deviceStory } from './support/story.ts';

deviceStory('amd64', 'ssh');
deviceStory('amd64', 'serial');
