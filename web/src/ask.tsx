// Dialogs that change something: what will happen, in words, the reason, and the name where it is grave.
import type { Signal } from "@preact/signals";
import { type ComponentChildren, cloneElement, isValidElement } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Question {
  title: string; verb: string; danger?: boolean;
  text: ComponentChildren;
  typed?: string; // the name that has to be typed
  needsReason?: boolean; noReason?: boolean;
  fields?: ComponentChildren;
  blocked?: Signal<boolean>; // while what is asked for cannot be done; the text says why
  gone?: () => string; // why it cannot be done any more, "" while it can: read from signals, so it is told as it happens
  act: (values: Record<string, string>) => Promise<unknown>;
}

// The same elements are drawn again and again while the dialog is open: each time as new ones, or changes within them would be passed by.
const fresh = (one: ComponentChildren) => isValidElement(one) ? cloneElement(one) : one;
// Of its own, so that what blocks it draws nothing else anew.
const Verb = ({ question: q, disabled }: { question: Question; disabled: boolean }) => <button class={q.danger ? "danger" : "strong"} disabled={disabled || q.blocked?.value || Boolean(q.gone?.())}>{q.verb}</button>;
const Gone = ({ why }: { why: () => string }) => why() ? <p class="note warn" role="alert">{why()}</p> : null;

function Ask({ question, done }: { question?: Question; done: (changed: boolean) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [fault, setFault] = useState("");
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    setFault("");
    setTyped("");
    if (question && !dialog.current?.open) dialog.current?.showModal();
    if (!question && dialog.current?.open) dialog.current.close();
  }, [question]);
  if (!question) return <dialog ref={dialog} hidden />;
  const close = (changed: boolean) => { dialog.current?.close(); done(changed); };
  return <dialog ref={dialog} aria-labelledby="ask-title" onClose={() => done(false)}>
    <form method="dialog" onInput={() => setFault("")} onSubmit={async (event) => {
      event.preventDefault();
      if (busy || question.gone?.()) return; // Enter sends no stale order either
      setBusy(true);
      try {
        await question.act(Object.fromEntries([...new FormData(event.currentTarget)].map(([k, v]) => [k, String(v)])));
        close(true);
        document.getElementById("main")?.focus(); // the button that was pressed may be gone
      } catch (error) { setFault(error instanceof TypeError ? "The server cannot be reached; nothing was changed." : (error as Error).message); }
      setBusy(false);
    }}>
      <h1 id="ask-title">{question.title}</h1>
      <div>{fresh(question.text)}</div>
      {question.gone && <Gone why={question.gone} />}
      {fault && <p class="note bad" role="alert">{fault}</p>}
      {fresh(question.fields)}
      {!question.noReason && <label class="field">Reason{question.needsReason ? "" : " (optional)"}; it goes into the history
        <input name="reason" maxLength={1000} required={question.needsReason} autocomplete="off" /></label>}
      {question.typed && <label class="field"><span>Type <b class="mono">{question.typed}</b> to go on</span>
        <input name="typed" value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} /></label>}
      <div class="actions">
        <button type="button" onClick={() => close(false)}>Leave it</button>
        <Verb question={question} disabled={busy || (question.typed !== undefined && typed !== question.typed)} />
      </div>
    </form>
  </dialog>;
}

// The one dialog of a page, and how to open it.
export function useAsk(changed: () => void): [ComponentChildren, (question: Question) => void] {
  const [question, set] = useState<Question | undefined>();
  return [<Ask question={question} done={(did) => { set(undefined); if (did) changed(); }} />, set];
}
