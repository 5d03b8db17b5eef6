// What waits for a second person, with what it is about.
import { type List, get, may, me, post } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Empty, Head, Loaded, Table } from "../parts";
import { quote, to } from "../router";
import { Ago } from "../time";
import { Who } from "../who";

interface Approval { rollout: string; model: string; environment: string; from?: number; to: number; step: number; needed: number; given: string[]; actor: string; reason?: string; created: string; may_approve: boolean }

export function Approvals() {
  const list = useLoad(() => get<List<Approval>>("/approvals"), 5000, "approvals");
  const [dialog, ask] = useAsk(list.again);
  const decide = (a: Approval, verb: "approve" | "reject") => ask({ title: `${verb === "approve" ? "Approve" : "Reject"} ${a.rollout}`, verb: verb === "approve" ? "Approve" : "Reject", danger: verb === "reject", needsReason: true,
    text: <p>{verb === "approve" ? `Version ${a.to} of ${a.model} may go on in ${a.environment}.` : `${a.rollout} ends; what it brought goes back.`}</p>,
    act: (f) => post(`/rollouts/${quote(a.rollout)}/commands`, { verb, reason: f.reason, ...(a.step && { expected_step: a.step }) }) });
  return <>
    <Head title="Approvals" cli="mreg approval list" api="/approvals" />
    <Loaded of={list}>{({ items }) => items.length === 0 ? <Empty text="Nothing waits for an approval. A policy with “approvals” asks for them:" command={`mreg env set production --policy policy.json`} />
      : <Table caption="Waiting for approval" heads={["Rollout", "Model", "Environment", "Given", "Asked by", "Since", ""]}>
        {items.map((a) => <tr key={a.rollout + a.step}>
          <td><a href={to.rollout(a.rollout)}>{a.rollout}</a>{a.step ? ` step ${a.step}` : ""}</td>
          <td><a href={to.model(a.model)}>{a.model}</a> {a.from ? <a href={`${to.model(a.model)}/compare?a=${a.from}&b=${a.to}`}>{a.from} → {a.to}</a> : <span class="nums">– → {a.to}</span>}{a.reason && <p class="under">“{a.reason}”</p>}</td>
          <td>{a.environment}</td><td class="nums">{a.given.length} of {a.needed}</td><td><Who actor={a.actor} /></td><td><Ago at={a.created} /></td>
          <td class="num">{may("approve") && (!a.may_approve ? <span class="soft">{a.given.includes(me.value?.actor ?? "") ? "you have agreed" : "somebody else has to"}</span>
            : <><button class="quiet" onClick={() => decide(a, "reject")}>Reject</button> <button onClick={() => decide(a, "approve")}>Approve</button></>)}</td>
        </tr>)}</Table>}</Loaded>
    {dialog}
  </>;
}
