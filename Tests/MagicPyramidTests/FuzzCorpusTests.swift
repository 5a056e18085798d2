// The inputs that fuzzing starts from and those that once broke something, read again by each target; and a few thousand
// changes to them. Scripts/fuzz goes on from here for as long as one likes.

@testable import PyramidFuzz
import Testing

@Suite(.timeLimit(.minutes(5))) struct `Bytes that somebody else wrote` {
  @Test(arguments: FuzzTarget.allCases)
  func `are read or refused`(target: FuzzTarget) throws {
    let corpus = try target.corpus()
    #expect(!corpus.isEmpty)
    for input in corpus.prefix(40) { try target.run(input) }
    for (name, input) in target.regressions() {
      do { try target.run(input) } catch { Issue.record("\(target.rawValue)/\(name): \(error)") }
    }
    var mutator = Mutator(corpus, seed: "test")
    for _ in 0..<(target == .artefact ? 20 : 200) { try target.run(mutator.next()) }
  }

  /// Requests to start from that nobody understands would lead nowhere.
  @Test func `begin, for the server, with requests that it takes`() throws {
    for request in FuzzTarget.requests { try FuzzTarget.readRequest(request) }
  }

  /// A target that takes anything would find nothing.
  @Test(arguments: FuzzTarget.allCases)
  func `are not all the same to a target`(target: FuzzTarget) throws {
    var mutator = Mutator(try target.corpus(), seed: "other")
    let (one, two) = (mutator.next(), mutator.next())
    #expect(one != two)
    mutator = Mutator(try target.corpus(), seed: "other")
    #expect(mutator.next() == one)
  }
}
