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
