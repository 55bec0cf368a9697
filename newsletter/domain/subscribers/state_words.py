"""The words of `csv_states`: states, yes, no, and phrases that ask not to be emailed, in the languages we know.

State words are written as people see them; they are compared after `fold`. Every word stands in one list only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_NOTE = 2_000  # characters of a cell that are searched
ACTIVE_WORDS = """active subscribed enabled confirmed paused optedin optin implicit explicit express implied
    expressconsent impliedconsent doubleoptin singleoptin confirmedoptin doubleoptedin verified deliverable
    marketable marketingcontact permitted allowed granted accepted consented mailable subscriber aktiv
    abonniert abonnent angemeldet bestatigt bestaetigt eingetragen zugestimmt erlaubt actif abonne abonnee
    inscrit inscrite confirme confirmee activo activa suscrito suscrita subscrito subscrita inscrito
    inscrita confirmado confirmada attivo attiva iscritto iscritta confermato confermata actief ingeschreven
    geabonneerd aangemeld bevestigd ativo ativa assinante double single doublein singlein aktywny aktywna
    zapisany zapisana potwierdzony potwierdzona subskrybuje prenumererar bekräftad tilmeldt bekræftet
    påmeldt bekreftet tilaaja vahvistettu aktiivinen aktivní odebírá přihlášen přihlášena potvrzen potvrzeno
    активен активна активный подписан подписана подтвержден подтверждена aktif abone onaylı 購読中 登録済み 配信中 有効
    已订阅 已确认 有效 구독중"""
UNCONFIRMED_WORDS = """unconfirmed unactivated pending inactive notconfirmed notyetconfirmed unverified notverified
    awaitingconfirmation pendingconfirmation awaiting waiting validating needsattention invited unknown
    notset nopermissionsset permissionnotset nosubscriptionstatus softbounced softbounce softbounces
    temphold onhold unbestatigt unbestaetigt nichtbestatigt nichtbestaetigt ausstehend wartend inaktiv
    unbekannt nonconfirme nonconfirmee enattente inactif noconfirmado noconfirmada sinconfirmar pendiente
    inactivo inactiva nonconfermato nonconfermata inattesa inattivo inattiva onbevestigd nietbevestigd
    inafwachting inactief naoconfirmado naoconfirmada pendente inativo inativa new neu nouveau nuevo nuovo
    nieuw novo oczekujący oczekuje niepotwierdzony niepotwierdzona väntande obekräftad afventer ubekræftet
    venter ubekreftet odottaa vahvistamaton čeká nepotvrzen nepotvrzeno ожидает неподтвержден неподтверждена
    beklemede onaylanmamış 未確認 仮登録 保留 未确认 待确认"""
UNSUBSCRIBED_WORDS = """unsubscribed unsubscribe unsubscribes unsub cancelled canceled removed disabled deleted optedout optout
    archived left expired nonsubscribed notsubscribed neversubscribed neveroptedin notoptedin transactional
    trash trashed donotcontact donotmail donotemail globallyunsubscribed globalunsubscribe excluded
    nonmarketingcontact declined denied revoked withdrawn noconsent notallowed notpermitted forgotten
    deactivated abgemeldet abbestellt ausgetragen gekundigt gekuendigt geloscht geloescht widerrufen
    widersprochen abgelehnt nichtabonniert nichtangemeldet ausgeschlossen deaktiviert desabonne desabonnee
    desinscrit desinscrite resilie resiliee supprime supprimee annule annulee desactive desactivee nonabonne
    nonabonnee noninscrit noninscrite refuse refusee baja debaja dadodebaja dadadebaja cancelado cancelada
    desuscrito desuscrita eliminado eliminada nosuscrito nosuscrita desactivado desactivada rechazado
    rechazada disiscritto disiscritta cancellato cancellata annullato annullata eliminato eliminata
    noniscritto noniscritta disattivato disattivata rifiutato rifiutata uitgeschreven afgemeld opgezegd
    verwijderd geannuleerd nietingeschreven descadastrado descadastrada removido removida excluido excluida
    naoinscrito naoinscrita desinscrito desinscrita desativado desativada anulado nomail nomails noemail
    noemails donotsend optouts unsubbed wypisany wypisana wypisano zrezygnował zrezygnowała avregistrerad
    avprenumererad avslutad afmeldt avmeldt peruttu peruutettu odhlášen odhlášena odhlášeno отписан отписана
    отписался отписалась отписка ayrıldı çıktı 解除 退会 停止 配信停止 購読解除 退订 已退订 取消订阅 구독취소 수신거부 탈퇴"""
CLEANED_WORDS = """cleaned bounced bounce bounces undeliverable nondeliverable complained complaint complaints complainer
    blocklisted blacklisted blocked spam spammed suppressed hardbounced hardbounce hardbounces invalid
    rejected markedasspam spamcomplaint reportedspam reportedasspam abuse quarantined unzustellbar gesperrt
    blockiert ungultig ungueltig zuruckgewiesen zurueckgewiesen gebounct beschwerde rejete rejetee bloque
    bloquee invalide plainte indesirable nondelivrable rebotado rebotada rebote bloqueado bloqueada invalido
    invalida queja noentregable rimbalzato rimbalzata bloccato bloccata nonvalido reclamo geblokkeerd
    gebounced ongeldig onbestelbaar klacht devolvido devolvida rejeitado rejeitada retornado reclamacao held
    junk junked dropped reported npai undelivered odrzucony nieprawidłowy studsad ogiltig afvist ugyldig
    avvist nedoručitelný neplatný недействителен заблокирован жалоба спам エラー 無効 不達 退信 无效"""

YES_WORDS = (
    """true t yes y wahr ja j vrai oui o verdadero si s vero waar verdadeiro sim on x ok checked tak да はい 是"""
)
NO_WORDS = (
    """false f no n falsch nein faux non falso onwaar nee nao off unchecked notchecked nie nej nei нет いいえ 否"""
)
NOTHING_WORDS = """null none nil na nan never empty undefined"""

# Phrases in notes and remarks. They are looked for in lower-case text, in columns that are not used otherwise.
_PHRASES = (
    r"unsubscrib|\bopt(?:ed|s)?[ -]?out\b",
    r"\b(?:do not|don['\u2019]?t|never|no longer|not to be) (?:be )?(?:e-?mail|mail|contact|send|sent|writ|messag)",
    r"\bno (?:more )?(?:e-?mails?|newsletters?|mailings?|marketing|tips)\b",
    r"\b(?:take|remove|delete)d? (?:\w+ ){0,3}(?:off|from)\b|\bplease (?:remove|delete)\b|\b(?:remove|delete) me\b",
    r"\A\W*stop\W*\Z|\bbounc(?:ed|es|ing)\b|\buser unknown\b|\bspam complaint|\bunzustellbar\b",
    r"abgemeldet|\babmeld|abbestell|ausgetragen|\baustragen\b|\bkeine?n? (?:\w+ )?(?:(?:e-?)?mails?|newsletter|werbung)\b",
    r"\bnicht (?:mehr )?(?:anschreiben|kontaktieren|mailen|schreiben|senden|zusenden)|\bbitte (?:löschen|entfernen)",
    r"d[ée]sabonn|d[ée]sinscri|\bne (?:plus|pas) (?:contacter|envoyer|[ée]crire)|\bplus de (?:mails?|newsletters?)\b",
    r"\b(?:dar(?:se)?|dado|dada) de baja|\bno (?:enviar|contactar)|desuscri|disiscri|\bnon (?:contattare|inviare)",
    r"uitgeschreven|\buitschrijven|afgemeld|\bniet (?:meer )?(?:mailen|contacteren|benaderen)|descadastr",
    r"\bn[ãa]o (?:enviar|contatar|contactar|quer|deseja)",
    r"\btaken? off\b|\b(?:asked|wants?|wish(?:es)?|requested) (?:to )?(?:be )?(?:out|off|remov|delet|leave|stop|gone)",
    r"\bdeceased\b|\bpassed away\b|\bno longer (?:works?|with|employed|at|interested|wants?|valid|there)|\bnot interested\b",
    r"\b(?:wrong|invalid|dead|defunct) (?:e-?mail|address)|\b(?:e-?mail|address|mailbox) (?:is |was )?(?:invalid|dead|wrong|not valid)",
    r"\bnever (?:agreed|consented|signed)|\bdid not (?:agree|consent|sign|subscribe)|\bwithout consent\b",
    r"verstorben|\badresse (?:ung[üu]ltig|falsch|veraltet)|\bung[üu]ltige? (?:e-?mail|adresse)|\bkein interesse|\bwiderspr|\bwiderruf",
    r"\b(?:möchte|will|wünscht) (?:\w+ ){0,3}(?:kein|nicht|raus|abgemeldet)|\bne (?:souhaite|veut|désire) (?:plus|pas)|\bdécédé",
    r"\badresse (?:invalide|erron)|\bno (?:quiere|desea|le interesa)|\bfallecid|\bcorreo (?:inválido|incorrecto|erróneo)",
    r"\b(?:pediu|quer|pidi[óo]) (?:para |p/ |a )?(?:sair|parar|remo|baja|ser remov)|\bfalecid|\bsem interesse",
    r"\bnon (?:vuole|desidera|interessat)|\bdecedut|\bindirizzo (?:errato|non valido)",
    r"\bwil (?:geen|niet)\b|\bgeen (?:\w+ ){0,2}(?:e-?mails?|nieuwsbrief|mailings?|interesse)|\boverleden\b|\badres (?:ongeldig|onjuist)",
    r"\b(?:vill|vil|ønsker|önskar|skal|ska) (?:inte|ikke)\b|\bavliden\b|\bafdød\b|\bnie (?:chce|wysyłać|pisać)|wypisa|rezygn",
    r"\bnechce|\bneposílat|\bnezasílat|odhlás|\bне (?:хочет|писать|отправлять|слать|присылать)|отпис|отказал|istemiyor|göndermeyin",
    r"配信停止|停止希望|不要|退会|解除|退订|拒收|取消订阅|수신거부",
)
_OPT_OUT = re.compile("|".join(_PHRASES))
# Each phrase contains one of these. To look for them in many notes together takes a fraction of the time.
_HINT_WORDS = """unsub opt do_not don't don\u2019t dont never no_longer not_to_be no_ off from remove delete stop bounc unknown spam
    unzustell abgemeld abmeld abbestell ausgetragen austragen kein nicht bitte abonn inscri ne_p plus_de de_baja desuscri
    iscri non_ uitge uitschr afgemeld niet descadastr n\u00e3o nao taken asked want wish request deceased passed wrong invalid dead defunct
    not_ without verstorben ung adresse_ widerr widerspr m\u00f6chte will_ w\u00fcnscht ne_ d\u00e9c\u00e9d\u00e9 no_quier fallec correo_
    pediu quer_ pidi falecid sem_int decedut indirizzo_ wil_ geen overleden adres_ vill vil_ \u00f8nsker \u00f6nskar skal ska_
    avliden afd\u00f8d nie_ wypisa rezygn nechce neposí nezasí odhlás не_ отпис отказал istemiyor göndermeyin 停止 不要 退会 解除
    退订 拒收 取消订阅 수신거부"""
_HINTS = [hint.replace("_", " ") for hint in _HINT_WORDS.split()]


def opt_outs(notes: Sequence[str]) -> list[int]:
    """The indexes of the notes that ask not to be emailed, or say that an address is dead."""
    folded = [note[:LONGEST_NOTE].lower() for note in notes]
    together = "\n".join(folded)
    hints = [hint for hint in _HINTS if hint in together]
    hinted = (at for at, note in enumerate(folded) if any(hint in note for hint in hints))
    return [at for at in hinted if _OPT_OUT.search(folded[at])]
