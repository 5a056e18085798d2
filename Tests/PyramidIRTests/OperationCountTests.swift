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
