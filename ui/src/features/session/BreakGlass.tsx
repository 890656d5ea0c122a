import { useBreakGlass } from "../../api/signIn";
import { dateTime } from "../../design/format";
import { AppLink } from "../../design/Link";
import { Notice } from "../../design/States";
import { auditWith } from "../../paths";
import { texts } from "../../texts";

/** Tells every platform admin that a break-glass account was used. */
export function BreakGlass({ isPlatform }: { isPlatform: boolean }) {
  const [latest] = useBreakGlass(isPlatform).data?.items ?? [];
  if (!latest) return null;
  return (
    <Notice tone="bad">
      {texts.breakGlass.used(latest.email, dateTime(latest.at), latest.address)}{" "}
      <AppLink to={auditWith({ actor: latest.email })}>{texts.breakGlass.look}</AppLink>
    </Notice>
  );
}
