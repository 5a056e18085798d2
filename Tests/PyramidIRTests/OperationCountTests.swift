// Operation counts of a graph that is small enough to count by hand.

import PyramidIR
import Testing

@Suite struct OperationCountTests {
  @Test func theSmallestGraphCountsAsByHand() throws {
    let costs = try Graph.parse(smallestText).countOperations()
    // embed: one addition for each of 4 columns. attention: 4 * 4 for both products and 1 head * (scale + 5) for a
    // pair; in the paper's count, four projections and two feed-forward products. first_rows: 4 moves; linear: 2 columns
    // of 4 multiply-adds and a bias.
    #expect(
      costs == [
        SectionCost(section: .embeddings, executed: [CostTerm(4, .admittedTokens)], paper: []),
        SectionCost(
          section: .layer(0), executed: [CostTerm(22, .admittedTokens, power: 2)],
          paper: [CostTerm(8 * 16 + 4 * 4 * 4, .admittedTokens), CostTerm(16, .admittedTokens, power: 2)]),
        SectionCost(section: .output, executed: [CostTerm(4 + 18, .admittedSamples)], paper: []),
      ])
  }

  @Test func aHeadThatReadsMeansCountsAsByHand() throws {
    let graph = try Graph.parse(smallestText)
    let first = try #require(graph.nodes.first { $0.op == .firstRows })
    var builder = GraphBuilder(graph)
    builder.section = .output
    let mean = try builder.add(.segmentMean, first.inputs, name: "mean")
    _ = try builder.add(.concat, [first.results[0], mean], name: "both")
    let made = builder.graph.nodes[graph.nodes.count...].map { builder.graph.executedOperations(of: $0) }
    // An addition for each of 4 columns of a row, a division for each of a sample's; then 8 moves.
    #expect(made == [[CostTerm(4, .admittedTokens), CostTerm(4, .admittedSamples)], [CostTerm(8, .admittedSamples)]])
  }

  /// What an operation takes, counted by hand for rows of 4 columns.
  struct Count: Sendable, CustomTestStringConvertible {
    let line: String
    let perRow: Int
    var power = 1
    var testDescription: String { line }
  }

  @Test(arguments: [
    Count(line: "add %a, %h : f32[T0, 4]", perRow: 4),
    // Sum and mean, difference, square and sum, root and division, scale, gamma, beta.
    Count(line: "layer_norm %a, #g, #g {epsilon 1e-5} : f32[T0, 4]", perRow: 4 * 7),
    // Maximum, difference, exp, sum, division.
    Count(line: "softmax %a : f32[T0, 4]", perRow: 4 * 5),
    Count(line: "activate %a {activation relu} : f32[T0, 4]", perRow: 4),
    Count(line: "activate %a {activation tanh} : f32[T0, 4]", perRow: 4),
    // x / 2 * (1 + erf(x / sqrt 2)): two products, erf, a sum, a product.
    Count(line: "activate %a {activation gelu} : f32[T0, 4]", perRow: 4 * 5),
    // x / 2 * (1 + tanh(a (x + b x^3))): five products to the cube's multiple and a, a sum, tanh, a sum, a product.
    Count(line: "activate %a {activation gelu-tanh} : f32[T0, 4]", perRow: 4 * 9),
    // Half of the columns are activated, then multiply the other half.
    Count(line: "gate %a {activation gelu} : f32[T0, 2]", perRow: 2 * (5 + 1)),
    // Two products and a sum for each column.
    Count(line: "rotate %a, %positions {size 2, columns 4, base 100} : f32[T0, 4]", perRow: 4 * 3),
    // A square and a sum for each column, and a root.
    Count(line: "row_norm %a {first 0, count 4} : f32[T0]", perRow: 4 * 2 + 1),
    // Of two heads' two columns: a sum and a division for each column of the result.
    Count(line: "head_mean %a {first 0, count 4, heads 2} : f32[T0, 2]", perRow: 2 * 2),
    // A product of 4 x 4 and a bias, then the sum of two rows and a norm.
    Count(
      line: "linear_add_norm %a, %h, #o, #g, #g, #g {epsilon 1e-5} : f32[T0, 4]", perRow: 4 * (2 * 4 + 1) + 4 * (1 + 7)),
    Count(line: "linear %a, #o, #g {activation gelu} : f32[T0, 4]", perRow: 4 * (2 * 4 + 1 + 5)),
    // Of each pair both products, 2 * 4 each, and for each of two heads a scale and a softmax's element.
    Count(line: "attention %a, %a, %a, %segments {heads 2} : f32[T0, 4]", perRow: 2 * 2 * 4 + 2 * (1 + 5), power: 2),
    Count(
      line: "relative_attention %a, %a, %a, %positions, %segments {heads 2, window 3} : f32[T0, 4]",
      perRow: 2 * 2 * 4 + 2 * (1 + 5), power: 2),
  ])
  func anOperationCountsAsByHand(count: Count) throws {
    let weights = "weight #g : f32[4] = \"g\"\n  weight #o : f32[4, 4] = \"o\"\n  weight #w :"
    let attention = "%a = attention %h, %h, %h, %segments {heads 1} : f32[T0, 4]"
    let text = smallestText.replacing("weight #w :", with: weights)
      .replacing(attention, with: attention + "\n    %counted = \(count.line)")
    let graph = try Graph.parse(text)
    try graph.verify()
    let node = try #require(graph.nodes.first { $0.results.first.map { graph[$0].name } == "counted" })
    let terms = graph.executedOperations(of: node).filter { $0.coefficient > 0 }
    #expect(terms == [CostTerm(count.perRow, .admittedTokens, power: count.power)])
  }

  /// A table row of 2 numbers for each token and one for each pair, then a division and the bias; nothing of it is a part
  /// of the dense model.
  @Test func theEntryCountsItsTableRowsAndIsNoPartOfTheDenseModel() throws {
    let tables = "  weight #t : f32[9, 2] = \"t\"\n  weight #p : f32[4, 2] = \"p\"\n"
    var text = smallestText.replacing("weight #w :", with: tables + "  weight #w :")
    let dense = try Graph.parse(text).denseOperations()
    let inputs = text.split(separator: "\n").filter { $0.contains("= input ") }.joined(separator: "\n")
    for line in inputs.split(separator: "\n") { text = text.replacing(line, with: "") }
    text = text.replacing(
      "embeddings {",
      with:
        "entry {\n\(inputs)\n%bag = bag_logits %ids, %segments, #t, #p, #b {separator 2, skip 0 2} : f32[B0, 2]\n}\n"
        + "embeddings {")
    let graph = try Graph.parse(text)
    try graph.verify()
    let costs = graph.countOperations()
    #expect(
      costs.first
        == SectionCost(
          section: .entry, executed: [CostTerm(4, .admittedTokens), CostTerm(4, .admittedSamples)], paper: []))
    #expect(graph.denseOperations() == dense)
  }

  @Test func paperCountsTakeTheTokensThatOutliveThePruning() throws {
    let costs = try SampleModel.pyramid().countOperations()
    let layer = try #require(costs.first { $0.section == .layer(0) })
    #expect(
      layer.paper == [
        CostTerm(8 * 64, .admittedTokens), CostTerm(32, .admittedTokens, power: 2),
        CostTerm(4 * 8 * 16, Dim(.tokens, 1)),
      ])
  }
}
