// Pictures: what they show, and that nothing in a text can become markup.

import Testing

@testable import PyramidEvaluation

@Suite("Pictures of pyramids")
struct PyramidPictureTests {
  /// Filled cells of a picture: one for each token alive in each layer that ran.
  private func cells(_ svg: String) -> Int {
    svg.split(separator: "\n").count { $0.hasPrefix("<rect x=") && !$0.contains("stroke-dasharray") }
  }

  private func idleRows(_ svg: String) -> Int { svg.split(separator: "\n").count { $0.contains("stroke-dasharray") } }

  @Test("Every surviving token has a cell, and layers not run are dashed")
  func rows() {
    let picture = PyramidPicture(
      tokens: ["[CLS]", "a", "b", "[SEP]"], alive: [[0, 1, 2, 3], [0, 2], [0]], exitLayer: 3, layers: 5, caption: "c")
    #expect(picture.alive == [[0, 1, 2, 3], [0, 2], [0]])
    #expect(cells(picture.svg) == 7)
    #expect(idleRows(picture.svg) == 2)
    #expect(picture.svg.contains("1 alive, left here"))
  }

  @Test("Without pruning every layer that ran has all tokens")
  func noPruning() {
    #expect(cells(PyramidPicture(tokens: ["a", "b"], alive: [], exitLayer: 2, layers: 2, caption: "").svg) == 4)
  }

  @Test("A text that left at the entry ran no layer")
  func entry() {
    let picture = PyramidPicture(tokens: ["a", "b"], alive: [[0, 1]], exitLayer: 0, layers: 3, caption: "")
    #expect(cells(picture.svg) == 0 && idleRows(picture.svg) == 3)
    #expect(picture.svg.contains("left at the entry"))
    #expect(picture.html.contains("<td>entry<td>2, left here<td>a b"))
  }

  @Test("Tokens that died at the entry have no cell in any layer")
  func pruningAtTheEntry() {
    let picture = PyramidPicture(tokens: ["a", "b", "c"], alive: [[0, 2], [0]], exitLayer: 2, layers: 2, caption: "")
    #expect(cells(picture.svg) == 3)
  }

  @Test("A cell is the darker, the higher its token's score ranks in its layer, and says the score")
  func shades() {
    let picture = PyramidPicture(
      tokens: ["a", "b", "c"], alive: [[0, 1, 2], [0, 2]], scores: [[9, 9, 9], [0.5, -2, 7], [nil, nil]], exitLayer: 3,
      layers: 3, caption: "")
    #expect(picture.isShaded && picture.shades == [[0.5, 0, 1], [nil, nil, nil], [nil, nil, nil]])
    let svg = picture.svg
    #expect(svg.contains("fill=\"rgb(30,58,138)\"><title>c: 7.0000</title></rect>"))
    #expect(svg.contains("fill=\"rgb(219,234,254)\"><title>b: -2.0000</title></rect>"))
    #expect(cells(svg) == 7)
    #expect(!PyramidPicture(tokens: ["a"], alive: [], exitLayer: 1, layers: 1, caption: "").isShaded)
  }

  @Test("Markup and controls in tokens and caption are escaped", arguments: [false, true])
  func escaping(isHTML: Bool) {
    let picture = PyramidPicture(
      tokens: ["<script>", "a&b", "\"'", "\u{0}\u{8}"], alive: [], exitLayer: 1, layers: 1,
      caption: "</title><b>&\u{1B}"
    )
    let text = isHTML ? picture.html : picture.svg
    for part in ["<script>", "</title><b>", "a&b"] { #expect(!text.contains(part)) }
    for part in ["&lt;script&gt;", "a&amp;b", "&quot;&#39;", "&lt;/title&gt;&lt;b&gt;&amp;\u{FFFD}"] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
  }

  @Test(
    "Numbers that don't fit together never trap",
    arguments: [
      (0, [[Int32]](), 0, 0), (3, [[5, -1, 2], [], [1]], 99, 4), (2, [[0]], -7, 12), (600, [[0, 599]], 2, 6),
      (1, [], 0, 2),
    ])
  func odd(count: Int, alive: [[Int32]], exitLayer: Int, layers: Int) {
    let picture = PyramidPicture(
      tokens: (0..<count).map { "t\($0)" }, alive: alive, scores: [[], [.infinity, nil], [1, 2, 3, 4]],
      exitLayer: exitLayer, layers: layers, caption: "")
    #expect(picture.svg.hasSuffix("</svg>\n"))
    #expect(picture.html.hasSuffix("</html>\n"))
    #expect((0...picture.layers).contains(picture.exitLayer))
    #expect(cells(picture.svg) == picture.alive.reduce(0) { $0 + $1.count })
  }
}
