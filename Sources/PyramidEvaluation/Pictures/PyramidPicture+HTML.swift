// The picture as a page that needs nothing else: the SVG inline, and the same facts as text for those who can't see it
// or want to copy.

extension PyramidPicture {
  /// A self-contained HTML document without scripts.
  public var html: String {
    """
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(SVGText.escaped(caption))</title>
    <style>
    body { font: 15px/1.5 system-ui, sans-serif; color: #0f172a; background: #f8fafc; margin: 2rem auto; \
    max-width: 1500px; padding: 0 1rem }
    figure { margin: 0; background: #fff; border: 1px solid #e2e8f0; border-radius: 12px; padding: 1rem; \
    overflow-x: auto }
    svg { max-width: 100%; min-width: 900px; height: auto; display: block; margin: auto }
    table { border-collapse: collapse; margin-top: 1.5rem; width: 100% }
    th, td { text-align: left; vertical-align: top; padding: .4rem .8rem; border-bottom: 1px solid #e2e8f0 }
    td:nth-child(2) { white-space: nowrap } tr.exit { color: #c2410c } tr.idle { color: #64748b }
    </style>
    <figure>
    \(svg)</figure>
    <table>
    <tr><th>Layer<th>Tokens alive<th>Which
    \((1...layers).reversed().map(row).joined())\(entryRow)</table>
    </html>

    """
  }

  /// The row of a text that left before the first layer.
  private var entryRow: String {
    if exitLayer > 0 { return "" }
    let words = tokens.map { SVGText.escaped($0) }.joined(separator: " ")
    return "<tr class=\"exit\"><td>entry<td>\(tokens.count), left here<td>\(words)\n"
  }

  private func row(_ layer: Int) -> String {
    guard layer <= exitLayer else { return "<tr class=\"idle\"><td>\(layer)<td>not run<td>\n" }
    let positions = alive[layer - 1]
    let words = positions.map { SVGText.escaped(tokens[$0]) }.joined(separator: " ")
    let (mark, note) = layer == exitLayer ? (" class=\"exit\"", ", left here") : ("", "")
    return "<tr\(mark)><td>\(layer)<td>\(positions.count)\(note)<td>\(words)\n"
  }
}
