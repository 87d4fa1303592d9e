/**
 * What we mend in kafkajs 2.2.4, whose last release is of February 2023. Each file here has one mending: the symptom,
 * the upstream issue, and in test/ what fails without it. Only this room reaches into kafkajs's own files.
 */
import { dirname } from 'node:path';
import { mendBrokers } from './brokers';
import { mendConnections } from './connections';
import { mendGroup } from './group';
import { mendLogin } from './login';
import { mendRecords } from './records';
import { mendRequests } from './requests';
import { mendTimers } from './timers';

const MENDED = '2.2.4';

const { version } = require('kafkajs/package.json');
// Of another version's files nobody knows what these replace, and without them messages may be lost in silence.
if (version !== MENDED)
  throw new Error(
    `kafkajs is ${version}: lib/mend is for ${MENDED}; install that, or look at each mending anew`,
  );

// Before kafkajs is loaded, or loaded anew: its files take hold of one another as they are loaded.
const folder = dirname(require.resolve('kafkajs/package.json'));
for (const path of Object.keys(require.cache)) if (path.startsWith(folder)) delete require.cache[path];
mendRecords();
mendTimers();
// Before the requests, which let a closed connection be opened once.
mendConnections();
// Before the requests, which tell of an error what the login makes of it.
mendLogin();
mendRequests();
mendBrokers();
mendGroup();

export const { AssignerProtocol, Kafka } = require('kafkajs') as typeof import('kafkajs');
