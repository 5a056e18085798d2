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
