// Dialogs that change something: what will happen, in words, the reason, and the name where it is grave.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Question {
  title: string; verb: string; danger?: boolean;
  text: ComponentChildren;
  typed?: string; // the name that has to be typed
  needsReason?: boolean; noReason?: boolean;
  fields?: ComponentChildren;
  act: (values: Record<string, string>) => Promise<unknown>;
}

export function Ask({ question, done }: { question?: Question; done: (changed: boolean) => void }) {
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
    <form method="dialog" onSubmit={async (event) => {
      event.preventDefault();
      if (busy) return;
      setBusy(true);
      try {
        await question.act(Object.fromEntries([...new FormData(event.currentTarget)].map(([k, v]) => [k, String(v)])));
        close(true);
        document.getElementById("main")?.focus(); // the button that was pressed may be gone
      } catch (error) { setFault(error instanceof TypeError ? "The server cannot be reached; nothing was changed." : (error as Error).message); }
      setBusy(false);
    }}>
      <h1 id="ask-title">{question.title}</h1>
      <div>{question.text}</div>
      {fault && <p class="note bad" role="alert">{fault}</p>}
      {question.fields}
      {!question.noReason && <label class="field">Reason{question.needsReason ? "" : " (optional)"}; it goes into the history
        <input name="reason" maxLength={1000} required={question.needsReason} autocomplete="off" /></label>}
      {question.typed && <label class="field"><span>Type <b class="mono">{question.typed}</b> to go on</span>
        <input name="typed" value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} /></label>}
      <div class="actions">
        <button type="button" onClick={() => close(false)}>Leave it</button>
        <button class={question.danger ? "danger" : "strong"} disabled={busy || (question.typed !== undefined && typed !== question.typed)}>{question.verb}</button>
      </div>
    </form>
  </dialog>;
}

// The one dialog of a page, and how to open it.
export function useAsk(changed: () => void): [ComponentChildren, (question: Question) => void] {
  const [question, set] = useState<Question | undefined>();
  return [<Ask question={question} done={(did) => { set(undefined); if (did) changed(); }} />, set];
}
