// Batches on their way: the source of an executor's wave loop. Samples of several requests go into one wave, and a request
// is complete when its own samples are answered, whatever else is in flight. Requests take turns by tokens: a small one is
// given whole in its turn, as it arrived, and one of a thousand texts keeps nobody waiting for more than a turn of it.

/// A batch, the table that it is answered into, and who is told when that is done. Reused by callers that wait, since a
/// request must not allocate.
final class Request: @unchecked Sendable {
  fileprivate var batch: PackedBatch?
  fileprivate var table: AnswerTable?
  /// Not changed while the request is on its way.
  var terms = RequestTerms()
  /// Samples to be answered: those of the batch, or of a cancelled request those that were admitted before.
  fileprivate var wanted = 0
  fileprivate var admitted = 0
  fileprivate var answered = 0
  fileprivate var isCancelled = false
  fileprivate var isLate = false
  fileprivate var isQueued = false
  /// Its number in a trace, from 1; 0 without one.
  fileprivate(set) var number: Int32 = 0
  /// The next one of the list that it stands in.
  fileprivate var next: Request?
  /// Resumed at the end; nil for a caller that waits for the semaphore.
  fileprivate var continuation: CheckedContinuation<Void, any Error>?
  fileprivate let semaphore = Semaphore()

  /// Sets what is asked; `table` is large enough.
  func prepare(_ batch: PackedBatch, into table: AnswerTable, terms: RequestTerms = RequestTerms()) {
    (self.batch, self.table, self.terms, wanted) = (batch, table, terms, batch.sampleCount)
    (admitted, answered, isCancelled, isLate, isQueued) = (0, 0, false, false, false)
  }

  /// Sleeps until the request is complete.
  func wait() { semaphore.wait() }

  /// Tells the caller.
  fileprivate func finish() {
    guard let continuation else { return semaphore.signal() }
    self.continuation = nil
    if isCancelled {
      continuation.resume(throwing: CancellationError())
    } else if isLate {
      continuation.resume(throwing: DeadlinePassed())
    } else {
      continuation.resume()
    }
  }
}

/// Requests, which take turns in the order of their arrival. Any thread may append; one thread drives the wave loop.
final class RequestQueue: SampleSource, @unchecked Sendable {
  private let lock = Lock()
  /// Requests with samples that were not admitted yet.
  private var first: Request?
  private var last: Request?
  /// Tokens after which a request that is not through goes behind the others, and those that the first one was given.
  private let turn: Int
  private var given = 0
  /// Requests that are not in use.
  private var spares: Request?
  /// Complete requests whose callers were not told yet. The wave loop's thread alone uses it.
  private var complete: Request?
  private let trace: TraceGroup?
  /// Requests so far, in a trace.
  private var count: Int32 = 0

  /// A queue without requests, whose turns are of `turn` tokens and what is left of the sample that they end in.
  init(turn: Int, trace: TraceGroup? = nil) { (self.turn, self.trace) = (turn, trace) }

  /// A request that is not in use; give it back to `reuse` at the end.
  func spare() -> Request {
    lock.lock()
    defer { lock.unlock() }
    guard let request = spares else { return Request() }
    spares = request.next
    request.next = nil
    return request
  }

  /// Takes a request back that is complete.
  func reuse(_ request: Request) {
    (request.batch, request.table) = (nil, nil)
    lock.lock()
    defer { lock.unlock() }
    request.next = spares
    spares = request
  }

  /// Appends a request, of at least one sample; `continuation` is resumed at its end if there is one.
  func append(_ request: Request, resuming continuation: CheckedContinuation<Void, any Error>? = nil) {
    lock.lock()
    request.continuation = continuation
    request.isQueued = !request.isCancelled && !request.isLate
    if let trace, request.isQueued {
      count &+= 1
      request.number = count
      trace.note(.request(count, samples: Int32(request.wanted)))
    }
    if request.isQueued { appendToLine(request) }
    lock.unlock()
    if !request.isQueued { request.finish() }
  }

  /// Gives up the samples of a request that were not admitted yet: it ends with `CancellationError`, or `DeadlinePassed`
  /// where it `isLate`, as soon as the others are answered. Does nothing when there are none; may come before `append`,
  /// which then ends the request at once.
  func cancel(_ request: Request, isLate: Bool = false) {
    lock.lock()
    var isComplete = false
    if request.admitted < request.wanted {
      if isLate { request.isLate = true } else { request.isCancelled = true }
      if request.isQueued {
        remove(request)
        request.wanted = request.admitted
        isComplete = request.answered == request.wanted
        if isComplete { trace?.note(.complete(request: request.number)) }
      }
    }
    lock.unlock()
    if isComplete { request.finish() }
  }

  private func appendToLine(_ request: Request) {
    if let last { last.next = request } else { first = request }
    last = request
  }

  private func remove(_ request: Request) {
    if request === first { given = 0 }
    var previous: Request?
    var place = first
    while let current = place, current !== request { (previous, place) = (current, current.next) }
    if let previous { previous.next = request.next } else { first = request.next }
    if last === request { last = previous }
    request.next = nil
  }

  /// Tells the callers whose requests have become complete: after a section, not within it, since threads that wake
  /// take processors from the team.
  func tellCallers() {
    while let request = complete {
      complete = request.next
      request.next = nil
      request.finish()
    }
  }

  var hasNext: Bool {
    lock.lock()
    defer { lock.unlock() }
    return first != nil
  }

  func next(room: WaveRows, into inputs: TokenInputs) -> AdmittedSample? {
    lock.lock()
    defer { lock.unlock() }
    guard let request = firstInTurn(room), let batch = request.batch else { return nil }
    let (index, tokens) = (request.admitted, batch.length(of: request.admitted))
    batch.copy(index, to: inputs)
    request.admitted += 1
    given += tokens
    let isLast = request.admitted == request.wanted
    if isLast { remove(request) }
    return AdmittedSample(
      id: SampleID(request: .passUnretained(request), index: index), tokens: tokens, isLast: isLast,
      joinsGroup: batch.groups[index] == 0)
  }

  /// The request whose next sample, with its group, is to be given; nil when it does not fit in `room`.
  private func firstInTurn(_ room: WaveRows) -> Request? {
    dropLate()
    while let request = first, let batch = request.batch {
      let group = batch.rows(ofGroupAt: request.admitted)
      let fits = group.tokens <= room.tokens && group.samples <= room.samples
      // A group is one piece. A wave that is nearly full is left to others, but by none that had nothing of its turn yet:
      // however long its sample is, the next wave begins with it.
      let isOver = given >= turn || !fits && given > 0
      guard isOver, request.next != nil, batch.groups[request.admitted] != 0 else { return fits ? request : nil }
      remove(request)
      appendToLine(request)
      dropLate()
    }
    return nil
  }

  /// Gives up what is left of the requests in front whose deadline has passed: nobody waits for their answers any more.
  private func dropLate() {
    while let request = first, let deadline = request.terms.deadline, ContinuousClock.now >= deadline {
      request.isLate = true
      remove(request)
      request.wanted = request.admitted
      if request.answered == request.wanted { noteComplete(request) }
    }
  }

  private func noteComplete(_ request: Request) {
    request.next = complete
    complete = request
    trace?.note(.complete(request: request.number))
  }

  func deliver(_ answer: SampleAnswer, to sample: SampleID) {
    // Its caller keeps it until it is told.
    let request = sample.request!.takeUnretainedValue()
    request.table?.answer(sample.index, answer)
    trace?.note(
      .exit(
        request: request.number, sample: Int32(sample.index), boundary: Int32(answer.exitLayer), answer.limit))
    lock.lock()
    defer { lock.unlock() }
    request.answered += 1
    if request.answered == request.wanted { noteComplete(request) }
  }
}
