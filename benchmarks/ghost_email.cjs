// Render Ghost's default email with a text of ours, using Ghost's own renderer from npm; none of its code is kept here.
//
//   npm pack ghost@6.65.0 && tar xzf ghost-6.65.0.tgz && cd package
//   npm install --no-save handlebars@4.7.9 juice@11.1.1 cheerio@1.2.0 luxon clsx nodemailer html5parser \
//     @tryghost/html-to-plaintext@1.0.12 @tryghost/logging @tryghost/color-utils @tryghost/nql ./components/tryghost-kg-converters-*.tgz
//   node ghost_email.cjs PACKAGE TIP.json OUT       TIP.json: {"title", "html", "plaintext"}; writes OUT.html and OUT.txt
//
// A new newsletter: every column has the default of its schema, except for the name; click tracking is on, as in its fixture.
const fs = require("node:fs");
const path = require("node:path");

const [root, tipFile, out] = process.argv.slice(2).map((name) => path.resolve(name));
const server = (name) => require(path.join(root, "core/server", name));
const Renderer = server("services/email-service/email-renderer.js");
const tip = JSON.parse(fs.readFileSync(tipFile, "utf8"));
const site = "https://tips.example";

const model = (values, related = {}) => ({
  id: "1",
  get: (name) => values[name],
  related: (name) => related[name],
  getLazyRelation: async (name) => related[name],
});
const columns = Object.entries(server("data/schema/schema.js").newsletters);
const newsletter = {
  ...Object.fromEntries(columns.filter(([, column]) => "defaultTo" in column).map(([name, column]) => [name, column.defaultTo])),
  uuid: "0b3c7d2e-1111-4222-8333-444455556666",
  name: "Tip of the Week",
  show_header_name: false,
};
const settings = { accent_color: "#FF1A75", title: "Tip of the Week", timezone: "Etc/UTC", comments_enabled: "all", locale: "en", icon: "" };
let links = 0;

const renderer = new Renderer({
  settingsCache: { get: (name) => settings[name] },
  settingsHelpers: {
    getMembersValidationKey: () => "k".repeat(64),
    createUnsubscribeUrl: (uuid) => `${site}/unsubscribe/?uuid=${uuid}&key=${"a".repeat(64)}&newsletter=${newsletter.uuid}`,
  },
  renderers: { lexical: { render: async () => tip.html } },
  imageSize: { getCachedImageSizeFromUrl: async () => null },
  urlUtils: { urlFor: () => `${site}/`, isSiteUrl: (url) => url.origin === site },
  storageUtils: { isLocalImage: () => false, isInternalImage: () => false },
  getPostUrl: () => `${site}/a-tip/`,
  linkReplacer: server("services/lib/link-replacer.js"),
  linkTracking: { service: { addTrackingToUrl: async (url, post, id) => new URL(`${site}/r/${(0xa1b2c3d0 + links++).toString(16)}?m=${id}`) } },
  memberAttributionService: { addPostAttributionTracking: (url) => url },
  audienceFeedbackService: { buildEmailLink: (post, score) => new URL(`${site}/feedback/${score}`) },
  outboundLinkTagger: { addToUrl: (url) => url },
  emailAddressService: {},
  labs: { isSet: () => false },
  models: {},
  t: (text, values = {}) => text.replace(/\{(\w+)\}/g, (placeholder, name) => values[name] ?? placeholder),
  dir: () => "ltr",
});

(async () => {
  const post = model(
    { title: tip.title, plaintext: tip.plaintext, lexical: "{}", visibility: "public", status: "published", published_at: new Date("2026-11-24T13:00:00Z") },
    { authors: { models: [model({ name: "Ada Example" })] }, posts_meta: model({}) },
  );
  const email = await renderer.renderBody(post, model(newsletter), null, { clickTrackingEnabled: true });
  const subscriber = { id: "1", uuid: "11112222-3333-4444-8555-666677778888", email: "ada@host.example", name: "Ada", status: "free", createdAt: new Date("2025-05-03"), subscriptions: [], tiers: [] };
  let { html, plaintext } = email;
  for (const { token, getValue } of email.replacements) {
    const value = await getValue(subscriber);
    html = html.replace(token, () => value);
    plaintext = plaintext.replace(token, () => value);
  }
  fs.writeFileSync(`${out}.html`, html);
  fs.writeFileSync(`${out}.txt`, plaintext);
  console.log(`${Buffer.byteLength(html)} bytes of HTML, ${html.match(/<img/g)?.length ?? 0} images, ${links} tracked links`);
})();
