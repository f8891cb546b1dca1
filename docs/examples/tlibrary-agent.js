'use strict';
/*
 * An agent's working day in a minute: logs in, gets ready, makes a call, holds and
 * retrieves it, releases it, logs out.  The telephones of both DNs must be there, and
 * the other one must answer.
 *
 *   node tlibrary-agent.js --address 127.0.0.1:3001 --application desktop \
 *        --password-file FILE --dn 1001 --agent 4711 --to 1002
 *
 * Prints each event of the DN as the field does, then "done"; ends with status 1 when
 * something is refused or does not happen in time.
 */

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { TLibraryClient, text } = require('./tlibrary.js');

function readArguments(words) {
  const found = { password: '', ca: null, agent: 'agent', hold: 0.5, timeout: 30 };
  // Two for a pair: whichever serves is taken.
  found.addresses = [];
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i].replace(/^--/, '');
    const value = words[i + 1];
    if (name === 'password-file') [found.password] = fs.readFileSync(value, 'utf8').split(/\r?\n/);
    else if (name === 'address') {
      const colon = value.lastIndexOf(':');
      found.addresses.push({ host: value.slice(0, colon), port: Number(value.slice(colon + 1)) });
    } else found[name] = value;
  }
  for (const name of ['application', 'dn', 'to']) {
    if (found[name] === undefined) throw new Error(`--${name} is wanted`);
  }
  if (!found.addresses.length) throw new Error('--address is wanted');
  return found;
}

/** Keeps what has come, so that an event can be waited for without a race. */
class Seen {
  constructor(client) {
    this.events = [];
    this.waiting = [];
    client.on('event', (event) => {
      process.stdout.write(`${text(event)}\n`);
      this.events.push(event);
      this.waiting = this.waiting.filter(({ wanted, resolve }) => {
        if (!wanted(event)) return true;
        resolve(event);
        return false;
      });
    });
  }

  until(name, connID) {
    const wanted = (event) => event.name === name && event.attributes.ConnID === connID;
    const found = this.events.find(wanted);
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      this.waiting.push({ wanted, resolve });
    });
  }
}

async function work(client, seen, { dn, agent, to, hold }) {
  await client.register(dn);
  await client.request('RequestAgentLogin', {
    ThisDN: dn,
    AgentID: agent,
    WorkMode: 'ManualIn',
  });
  await client.request('RequestAgentReady', { ThisDN: dn });
  const dialing = await client.request('RequestMakeCall', {
    ThisDN: dn,
    OtherDN: to,
    UserData: [['CAMPAIGN', 'spring'], ['TRIES', 1]],
  });
  const call = { ThisDN: dn, ConnID: dialing.attributes.ConnID };
  await seen.until('EventEstablished', call.ConnID);
  await client.request('RequestHoldCall', call);
  await sleep(hold * 1000);
  await client.request('RequestRetrieveCall', call);
  await client.request('RequestReleaseCall', call);
  await client.request('RequestAgentLogout', { ThisDN: dn });
  await client.unregister(dn);
  await client.stop();
}

async function main(words) {
  const options = readArguments(words);
  const client = new TLibraryClient({
    addresses: options.addresses,
    application: options.application,
    password: options.password,
    tls: options.ca ? { ca: fs.readFileSync(options.ca) } : false,
  });
  client.on('trouble', (error) => process.stderr.write(`-- ${error.message}\n`));
  const late = sleep(Number(options.timeout) * 1000, null, { ref: false }).then(() => {
    throw new Error(`not done in ${options.timeout} seconds`);
  });
  const refused = new Promise((resolve, reject) => {
    client.on('refused', reject);
  });
  const seen = new Seen(client);
  client.start();
  try {
    await Promise.race([work(client, seen, options), late, refused]);
    process.stdout.write('done\n');
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    await client.stop();
  }
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
