/* Finds the number of an ALTCHA challenge: the one whose SHA-256 together with the salt is given. Works without crypto.subtle,
   which browsers offer on HTTPS only, and in short pieces, so that the page stays usable. */
"use strict";
(function () {
  var form = document.getElementById("proof");
  if (!form) return;
  var challenge = JSON.parse(form.dataset.challenge);
  var status = form.querySelector("[role=status]");
  var button = form.querySelector("button");
  var found = solver(challenge.salt, challenge.challenge);
  var next = 0;
  var channel = new MessageChannel();  // unlike a timer, it is not slowed down in the background

  function solver(salt, wanted) {
    var constants = [], start = [];
    for (var n = 2; constants.length < 64; n++) {  // FIPS 180-4: roots of the first primes
      for (var d = 2; d * d <= n && n % d; d++);
      if (d * d <= n) continue;
      if (start.length < 8) start.push(fraction(Math.sqrt(n)));
      constants.push(fraction(Math.cbrt(n)));
    }
    var k = new Int32Array(constants), w = new Int32Array(64);
    var target = wanted.match(/.{8}/g).map(function (part) { return parseInt(part, 16) | 0; });
    var whole = salt.length - salt.length % 64;  // these blocks are the same for every number
    var state = Int32Array.from(start), rest = salt.slice(whole);
    for (var at = 0; at < whole; at += 64) {
      load(salt.slice(at, at + 64));
      compress(state);
    }
    var hash = new Int32Array(8);

    function fraction(root) { return (root - Math.floor(root)) * 4294967296 | 0; }

    function load(text) {
      w.fill(0, 0, 16);
      for (var i = 0; i < text.length; i++) w[i >> 2] |= text.charCodeAt(i) << 24 - i % 4 * 8;
    }

    function compress(into) {
      var a = into[0], b = into[1], c = into[2], d = into[3], e = into[4], f = into[5], g = into[6], h = into[7];
      for (var i = 0; i < 64; i++) {
        if (i > 15) {
          var x = w[i - 15], y = w[i - 2];
          w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3)
            + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
        }
        var t = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (e & f ^ ~e & g) + k[i] + w[i] | 0;
        var u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c) | 0;
        h = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
      }
      into[0] += a; into[1] += b; into[2] += c; into[3] += d; into[4] += e; into[5] += f; into[6] += g; into[7] += h;
    }

    return function (number) {
      var text = rest + number;  // at most 55 characters, as the server makes the salt
      load(text + "\x80");
      w[15] = 8 * (whole + text.length);
      hash.set(state);
      compress(hash);
      for (var i = 0; i < 8; i++) if (hash[i] !== target[i]) return false;
      return true;
    };
  }

  function work() {
    var until = Date.now() + 15;
    while (next <= challenge.maxnumber && Date.now() < until) {
      for (var end = next + 100; next < end; next++) if (found(next)) return send(next);
    }
    if (next <= challenge.maxnumber) channel.port2.postMessage(0);
    else button.disabled = false;
  }

  function send(number) {
    var field = document.createElement("input");
    field.type = "hidden";
    field.name = form.dataset.field;
    field.value = btoa(JSON.stringify({
      algorithm: challenge.algorithm, challenge: challenge.challenge, number: number,
      salt: challenge.salt, signature: challenge.signature
    }));
    form.appendChild(field);
    status.textContent = status.dataset.done;
    form.submit();
  }

  channel.port1.onmessage = work;
  button.disabled = true;
  status.textContent = status.dataset.working;
  channel.port2.postMessage(0);
})();
