/**
 * The init container as it is, with a second socket through which a test calls the supervisor's methods that a swap
 * calls: so they can be tried in any order, and not only in the one of a swap that goes well.
 */
import './driver-capture.ts';
import '../../../init-container/main.ts';
