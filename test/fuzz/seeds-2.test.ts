import { fuzzShare } from './share.js';

fuzzShare(2);
