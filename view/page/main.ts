/** The page of the live view. */
import { Live } from './live';
import { show } from './page';

show(new Live());
