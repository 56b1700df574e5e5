// One Markdown text as GitHub shows it, as a page of its own: node page.mjs TEXT light|dark > PAGE
// Run where the packages are installed.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const [text, theme] = process.argv.slice(2);
const { default: MarkdownIt } = await import(pathToFileURL(require.resolve("markdown-it")));
const { default: alerts } = await import(pathToFileURL(require.resolve("markdown-it-github-alerts")));

const markdown = new MarkdownIt({ html: true, linkify: true });
markdown.use(alerts);
const fence = markdown.renderer.rules.fence;
markdown.renderer.rules.fence = (tokens, at, ...rest) =>
  tokens[at].info.trim() === "mermaid"
    ? `<pre class="mermaid">${markdown.utils.escapeHtml(tokens[at].content)}</pre>`
    : fence(tokens, at, ...rest);

const css = readFileSync(require.resolve(`github-markdown-css/github-markdown-${theme}.css`), "utf8");
const mermaid = pathToFileURL(require.resolve("mermaid/dist/mermaid.min.js"));
const background = theme === "dark" ? "#0d1117" : "#ffffff";
process.stdout.write(`<!doctype html><html><head><meta charset="utf-8"><title>not drawn yet</title><style>${css}
body { margin: 0; background: ${background}; }
.markdown-body { box-sizing: border-box; width: 860px; padding: 24px; }
.markdown-body pre.mermaid { background: none; padding: 0; text-align: center; }
</style></head><body class="markdown-body">
${markdown.render(readFileSync(text, "utf8"))}
<script src="${mermaid}"></script><script>
mermaid.initialize({ startOnLoad: false, theme: "${theme === "dark" ? "dark" : "default"}" });
mermaid.run().then(() => { document.title = "height " + document.body.scrollHeight; },
  (why) => { document.title = "broken " + why.message; });
</script></body></html>
`);
