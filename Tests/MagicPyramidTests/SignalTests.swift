// The IR and the policy SDK name signals each for itself, since neither imports the other: the names must stay the same.

import PyramidIR
import PyramidPolicy
import Testing

@Suite struct SignalTests {
  @Test func `The IR knows the SDK's signals and no others`() {
    let sdk = TokenSignal.allCases.map(\.rawValue) + ExitSignal.allCases.map(\.rawValue)
    #expect(Set(Signal.allCases.map(\.rawValue)) == Set(sdk))
  }
}
