// Every text node that is shown, with the colour behind it: the ground of its SVG where that paints one, else the nearest
// background of an element around it. Those with less than 4.5 to 1 (WCAG 2.2, 1.4.3) are `low`. Scripts/check-report and
// Scripts/serving/test_page.py evaluate it in a page.
(() => {
  const parse = text => { const m = text.match(/[\d.]+/g); return m ? m.map(Number) : null };
  const luminance = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const behind = element => {
    const svg = element.closest("svg");
    const ground = svg && svg.querySelector(":scope > rect[width='100%']");
    if (ground) return parse(getComputedStyle(ground).fill);
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c && (c.length < 4 || c[3] > 0)) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["STYLE", "title", "TITLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    if (style.visibility == "hidden" || style.display == "none") continue;
    count += 1;
    const colour = parse(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [luminance(colour), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(walker.currentNode.data.trim().slice(0, 40) + ": " + ratio.toFixed(2));
  }
  return { count, low: low.slice(0, 10), width: document.documentElement.scrollWidth, window: innerWidth };
})()
