// The frame of --policy: which text belongs to the name and which to a specification.

import PyramidPolicyTesting
import Testing

@Suite("The option --policy")
struct PolicyOptionTests {
  @Test(
    "Name and parts are told apart wherever spaces, commas and colons stand",
    arguments: [
      ("a: exit=entropy prune=top-k", "a", "entropy" as String?, "top-k" as String?),
      ("prune=keep-all", "keep-all", nil, "keep-all"),
      (
        "exit=e(threshold = 0.1, layers=[1, 2]) prune=p", "e(threshold = 0.1, layers=[1, 2]) + p",
        "e(threshold = 0.1, layers=[1, 2])", "p"
      ),
      ("big: one :exit = e", "big: one", "e", nil),
      ("a:prune=p (k=[4, 3])  exit= e ", "a", "e", "p (k=[4, 3])"),
      ("exit early: exit=x(exit=1)", "exit early", "x(exit=1)", nil),
    ])
  func parts(text: String, name: String, exit: String?, prune: String?) throws {
    let option = try PolicyOption(text)
    #expect(option.name == name)
    #expect(option.exit == exit)
    #expect(option.prune == prune)
  }

  @Test("A contender may have a model of its own, with policies or without")
  func models() throws {
    let cut = try PolicyOption("cut: model=runs/my cut (2)")
    #expect(cut == PolicyOption(name: "cut", model: "runs/my cut (2)"))
    let both = try PolicyOption("model=a/b exit=entropy(threshold=0.1)")
    #expect(both == PolicyOption(name: "a/b + entropy(threshold=0.1)", exit: "entropy(threshold=0.1)", model: "a/b"))
    let sweep = try PolicySweep("s: exit=entropy(threshold=0.1...0.2/2) model=a/b")
    #expect(sweep.options.map(\.model) == ["a/b", "a/b"])
  }

  @Test(
    "What is not a policy is an error that says so",
    arguments: [
      ("", "expected 'NAME: exit=SPEC"), ("entropy", "expected 'NAME: exit=SPEC"), ("a: exit=", "nothing after exit="),
      ("a: exit= prune=b", "nothing after exit="), ("exit=a exit=b", "exit= is given twice"),
      ("name exit=a", "expected ':' between"), (": exit=a", "name before ':' is empty"),
    ])
  func errors(text: String, problem: String) {
    let error = #expect(throws: ComparisonError.self) { try PolicyOption(text) }
    #expect(error?.description.contains(problem) == true)
  }
}
