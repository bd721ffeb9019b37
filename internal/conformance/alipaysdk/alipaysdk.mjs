// Alipay's own SDK, for the Go tests beside it: every line of standard input is a
// call in JSON, {config, call, args}, and one line of standard output answers it,
// {result} or {error}.
import querystring from 'node:querystring';
import { createInterface } from 'node:readline';

import { AlipaySdk } from 'alipay-sdk';

const calls = {
  exec: (sdk, method, params, options) => sdk.exec(method, params, options),
  curl: (sdk, path, options) => sdk.curl('POST', path, options),
  sdkExecute: (sdk, method, params) => sdk.sdkExecute(method, params),
  checkNotifySign: (sdk, body, charset) => sdk.checkNotifySign(fields(body, charset)),
  checkNotifySignV2: (sdk, body, charset) => sdk.checkNotifySignV2(fields(body, charset)),
  rsaCheck: (sdk, text, sign) => sdk.rsaCheck(text, sign),
  serials: ({ config }) => ({ app: config.appCertSn, alipay: config.alipayCertSn, root: config.alipayRootCertSn }),
};

// fields decodes a form once, as the parsers of Node's web frameworks do.
function fields(body, charset = 'utf-8') {
  const decoder = new TextDecoder(charset);
  return querystring.parse(body, '&', '=', {
    decodeURIComponent: text => decoder.decode(querystring.unescapeBuffer(text)),
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { config, call, args } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await calls[call](new AlipaySdk(config), ...args) };
  } catch (err) {
    answer = { error: { name: err.name, code: err.code, message: err.message } };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
