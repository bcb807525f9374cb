import { fuzzShare } from './share.js';

fuzzShare(1);
