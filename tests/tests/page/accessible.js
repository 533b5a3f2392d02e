// What somebody who does not see the page, or does not use a mouse, would stumble over: a list of complaints.
const complaints = [];
const complain = (what, element) => complaints.push(`${what}: ${element.outerHTML?.slice(0, 160)}`);
const seen = element => element.checkVisibility({ visibilityProperty: true });
const all = selector => [...document.querySelectorAll(selector)].filter(seen);

// Names of controls, as browsers compute the simple cases.
const textOf = id => document.getElementById(id)?.textContent.trim() ?? '';
const nameOf = element =>
  element.getAttribute('aria-label')?.trim()
  || (element.getAttribute('aria-labelledby') ?? '').split(/\s+/).filter(Boolean).map(textOf).join(' ')
  || [...(element.labels ?? [])].map(label => label.textContent.trim()).join(' ')
  || (/^(A|BUTTON)$/.test(element.tagName) ? element.textContent.trim() : '');
for (const element of all('a[href], button, input, select, textarea, progress, [role=img], [role=region], nav, dialog, section')) {
  if (!nameOf(element)) complain('no name', element);
}
const names = new Map();
for (const element of all('button')) {
  const name = element.textContent.trim();
  if (names.has(name)) complain(`two buttons are called ${name}`, element);
  names.set(name, element);
}

// Landmarks, headings, language, title.
for (const [selector, count] of [['main', 1], ['header', 1], ['main h1', 1], ['h1', 1], ['[role=status]', 1]]) {
  const found = document.querySelectorAll(selector).length;
  if (found !== count) complaints.push(`${found} of ${selector}, not ${count}`);
}
if (!document.documentElement.lang) complaints.push('no language');
if (!document.title.includes('Cairn') || !document.title.includes(document.querySelector('h1')?.textContent)) {
  complaints.push(`the title is ${document.title}`);
}
let level = 0;
for (const heading of all('h1, h2, h3, h4')) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) complain('a level is left out before', heading);
  level = own;
}

// Tables, ids, order.
for (const table of all('table')) {
  if (!table.caption?.textContent.trim()) complain('no caption', table);
  if ([...table.querySelectorAll('th')].some(head => !head.scope || !head.textContent.trim())) complain('a heading without scope or text', table);
}
const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) complaints.push(`two have the id ${id}`);
for (const element of document.querySelectorAll('[aria-describedby], [aria-labelledby], label[for]')) {
  for (const attribute of ['aria-describedby', 'aria-labelledby', 'for']) {
    for (const id of (element.getAttribute(attribute) ?? '').split(/\s+/).filter(Boolean)) {
      if (!document.getElementById(id)) complain(`${attribute} names nobody`, element);
    }
  }
}
for (const element of document.querySelectorAll('[tabindex]')) if (element.tabIndex > 0) complain('an order of its own', element);

// Contrast: 4.5 to 1 for every text (WCAG 2.2, 1.4.3).
const rgb = color => (color.match(/[\d.]+/g) ?? []).map(Number);
const luminance = ([red, green, blue]) => [red, green, blue].map(value => value / 255)
  .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
const paper = element => {
  for (let at = element; at; at = at.parentElement) {
    const color = rgb(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
for (const element of all('body *')) {
  if (element.closest('.unseen, .skip, svg, option') || element.disabled) continue;
  if (![...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
  const [ink, around] = [luminance(rgb(getComputedStyle(element).color)), luminance(paper(element))];
  const contrast = (Math.max(ink, around) + 0.05) / (Math.min(ink, around) + 0.05);
  if (contrast < 4.5) complain(`contrast ${contrast.toFixed(1)}`, element);
}

// Nothing sticks out at the side.
if (document.documentElement.scrollWidth > document.documentElement.clientWidth) {
  complaints.push(`${document.documentElement.scrollWidth} pixels wide in ${document.documentElement.clientWidth}`);
}
return complaints;
